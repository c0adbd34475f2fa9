package main

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/admin/autoconfig"
	"github.com/posthaste-mta/posthaste/message"
)

// Autoconfig is where mail programs ask by HTTP how to read and send mail here, so that their owner types an address and a
// password only. The answers are made of the listeners of kind imap, pop3 and submission that have TLS.
type Autoconfig struct {
	// Address is for HTTPS, HTTPAddress for the same in the clear, where some programs ask first; "" is off. Other listeners for
	// administration are not reached here.
	Address     string `toml:"address"`
	HTTPAddress string `toml:"http_address"`
	// Host is what the programs connect to. Default: Hostname.
	Host string `toml:"host"`
	// Domains are those of the users' addresses. Default: mailbox.domains.
	Domains []string `toml:"domains"`
	// Name is shown to people as that of the account. Default: the domain.
	Name string `toml:"name"`
	// Cert and Key are as those of a listener.
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
	// MTASTS is what servers that send to us are to demand of our TLS (RFC 8461): none (no policy is served), testing or
	// enforce.
	MTASTS string `toml:"mta_sts" enum:"none,testing,enforce"`
}

// complete fills what follows from other keys; mailboxes and hostname are those.
func (a *Autoconfig) complete(hostname string, mailboxes []string) {
	if a.Host == "" {
		a.Host = hostname
	}
	if a.Domains == nil {
		a.Domains = mailboxes
	}
}

// on tells whether anything is served.
func (a *Autoconfig) on() bool { return a.Address != "" || a.HTTPAddress != "" }

// listener is the HTTPS socket as one of the listeners, for whoever sees to certificates.
func (a *Autoconfig) listener() Listener {
	l := Listener{Name: "[autoconfig]", Address: a.Address, TLS: "none"} // no other has brackets in its name by chance
	if a.Address != "" {
		l.TLS, l.Cert, l.Key = "implicit", a.Cert, a.Key
	}
	return l
}

// hosts are the names at which programs and servers come, beside Host.
func (a *Autoconfig) hosts() (names []string) {
	for _, d := range a.Domains {
		names = append(names, "autoconfig."+d, "autodiscover."+d)
		if a.MTASTS != "none" {
			names = append(names, "mta-sts."+d)
		}
	}
	return names
}

// tlsListeners are all listeners that may have TLS, this one too.
func (c *Config) tlsListeners() []Listener {
	return append(slices.Clip(c.Listeners), c.Autoconfig.listener())
}

// stsMaxAge is how long senders keep a policy, in seconds: a week, after which a mistake is forgotten.
const stsMaxAge = 7 * 24 * 3600

// autoconfigSettings is what mail programs are told.
func autoconfigSettings(cfg *Config) autoconfig.Settings {
	a := &cfg.Autoconfig
	s := autoconfig.Settings{Name: a.Name, Host: a.Host, Services: servicesOf(cfg)}
	for _, d := range a.Domains {
		if name, err := message.ParseDomain(d, true); err == nil { // the check of the configuration has seen that it is one
			s.Domains = append(s.Domains, name)
		}
	}
	if a.MTASTS != "none" {
		s.STS = &autoconfig.STSPolicy{Mode: a.MTASTS, MX: []string{cfg.Hostname}, MaxAge: stsMaxAge}
	}
	return s
}

// servicesOf returns where users can read and send mail from elsewhere: over TLS and with a login. Listeners on the
// loopback are for programs on this machine, unless there are no others.
func servicesOf(cfg *Config) []autoconfig.Service {
	var near, far []autoconfig.Service
	for _, l := range cfg.Listeners {
		s := autoconfig.Service{
			Protocol: map[string]autoconfig.Protocol{"imap": autoconfig.IMAP, "pop3": autoconfig.POP3, "submission": autoconfig.Submission}[l.Kind],
			Host:     cfg.Autoconfig.Host, Implicit: l.TLS == "implicit",
		}
		if s.Protocol == "" || l.TLS == "none" || l.Auth == "off" {
			continue
		}
		host, port, _ := net.SplitHostPort(l.Address)
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 { // systemd has the socket: the usual port
			n = uint64(usualPort[s.Protocol][l.TLS])
		}
		s.Port = uint16(n)
		if strings.HasPrefix(host, "127.") || host == "::1" || host == "localhost" {
			near = append(near, s)
		} else {
			far = append(far, s)
		}
	}
	if len(far) == 0 {
		far = near
	}
	autoconfig.Sort(far)
	return far
}

// usualPort is where services are expected (RFC 8314 7, RFC 9051, RFC 1939, RFC 6409).
var usualPort = map[autoconfig.Protocol]map[string]int{
	autoconfig.IMAP:       {"implicit": 993, "starttls": 143},
	autoconfig.POP3:       {"implicit": 995, "starttls": 110},
	autoconfig.Submission: {"implicit": submissionsPort, "starttls": submissionPort},
}

// autoconfig checks [autoconfig].
func (c *checker) autoconfig() {
	a := &c.cfg.Autoconfig
	for key, address := range map[string]string{"autoconfig.address": a.Address, "autoconfig.http_address": a.HTTPAddress} {
		if address == "" {
			continue
		}
		c.address(key, address)
		if served := key == "autoconfig.http_address" && c.cfg.ACME.Challenge == "http-01"; c.cfg.wantsACME() && address == c.cfg.ACME.Address && !served {
			c.fail(key, "%q is acme.address too, which has to be free when a certificate is due: take acme.challenge = \"http-01\"", address)
		}
	}
	for i, d := range a.Domains {
		if problem := checkDomain(d); problem != "" && a.on() {
			c.fail("autoconfig.domains", "element %d: %s", i+1, problem)
		}
	}
	if problem := checkHostname(a.Host); problem != "" && a.on() && c.pos.lines["autoconfig.host"] > 0 {
		c.fail("autoconfig.host", "%s", problem)
	}
	switch {
	case !a.on():
	case len(a.Domains) == 0:
		c.fail("autoconfig.domains", "is empty, and so is mailbox.domains: whose programs would ask?")
	case len(servicesOf(c.cfg)) == 0:
		c.fail("autoconfig", "has nothing to tell: no listener of kind imap, pop3 or submission has TLS and logins")
	}
	if a.Address != "" {
		c.listenerTLS("autoconfig", a.listener())
	} else if a.Cert != "" || a.Key != "" {
		c.fail("autoconfig.cert", "is of no use without autoconfig.address")
	}
	if a.MTASTS != "none" && a.Address == "" {
		c.fail("autoconfig.mta_sts", "%s wants autoconfig.address: the policy is asked for by HTTPS only", a.MTASTS)
	}
}

// acmeNames are the names that need a certificate when nobody lists them.
func (c *Config) acmeNames() []string {
	names := []string{c.Hostname}
	if c.Autoconfig.Address != "" && c.Autoconfig.Cert == acmeCert {
		names = append(names, c.Autoconfig.hosts()...)
	}
	return names
}
