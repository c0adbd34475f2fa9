package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// acmeCert is the value of a listener's cert that stands for a certificate from [acme].
const acmeCert = "acme"

// Certificate is one more certificate, for all listeners with TLS: a client that names a host is shown the one for it.
type Certificate struct {
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
}

// ACME is where certificates come from by themselves (RFC 8555), for listeners with cert = "acme".
type ACME struct {
	// AgreeTOS says that the terms of service of the ACME server are agreed to; without it none is asked.
	AgreeTOS bool `toml:"agree_tos"`
	// Email is where the ACME server may write to.
	Email string `toml:"email"`
	// Names get a certificate each. Default: Hostname, and the names of [autoconfig] if its certificates are from here.
	Names []string `toml:"names"`
	// Directory is the ACME server. Default: Let's Encrypt.
	Directory string `toml:"directory"`
	// Challenge is how the server sees that the names are ours: by a connection to their port 80 or 443.
	Challenge string `toml:"challenge" enum:"http-01,tls-alpn-01"`
	// Address is where such a connection arrives; it is listened on only while one is expected. Default: ":80" or
	// ":443".
	Address string `toml:"address"`
	// Root is a PEM file with the authorities that vouch for the server of a private one; "": those of the system.
	Root string `toml:"root"`
}

func defaultACME() ACME {
	return ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory", Challenge: "http-01"}
}

// complete fills what follows from other keys.
func (a *ACME) complete(names []string) {
	if a.Names == nil {
		a.Names = names
	}
	if a.Address == "" {
		a.Address = ":80"
		if a.Challenge == "tls-alpn-01" {
			a.Address = ":443"
		}
	}
}

// wantsACME tells whether a listener has its certificate from ACME.
func (c *Config) wantsACME() bool {
	for _, l := range c.tlsListeners() {
		if l.TLS != "none" && l.Cert == acmeCert {
			return true
		}
	}
	return false
}

// listenerTLS checks the TLS settings of one listener; key is its table.
func (c *checker) listenerTLS(key string, l Listener) {
	set := l.Cert != "" || l.Key != ""
	switch {
	case l.TLS == "none" && set:
		c.fail(key+".tls", "is none, but cert or key is set: did you mean starttls?")
	case l.TLS == "none":
	case l.Cert == acmeCert:
		if l.Key != "" {
			c.fail(key+".key", `is of no use with cert = "acme"`)
		}
		if !c.cfg.ACME.AgreeTOS {
			c.fail(key+".cert", `"acme" wants acme.agree_tos = true: the terms of service of the ACME server are to be agreed to`)
		}
	case !set && len(c.cfg.Certificates) > 0:
	case l.Cert == "" || l.Key == "":
		c.fail(key+".tls", "%s wants cert and key too, or a [[certificate]]", l.TLS)
	default:
		c.pair(key, l.Cert, l.Key)
	}
}

// certificates checks what listeners may share.
func (c *checker) certificates() {
	for i, pair := range c.cfg.Certificates {
		key := fmt.Sprintf("certificate[%d]", i)
		if pair.Cert == "" || pair.Key == "" {
			c.fail(key, "wants cert and key")
			continue
		}
		c.pair(key, pair.Cert, pair.Key)
	}
	c.acme()
}

// pair checks that two files hold a certificate and its key.
func (c *checker) pair(table, cert, key string) {
	_, err := loadCertificate(cert, key)
	var wrong *certificateError
	if errors.As(err, &wrong) {
		c.fail(table+"."+wrong.Key, "%s", wrong.Problem)
	}
}

func (c *checker) acme() {
	a := c.cfg.ACME
	if len(a.Names) == 0 {
		c.fail("acme.names", "no name to have a certificate for")
	}
	for i, name := range a.Names {
		problem := checkDomain(name)
		switch {
		case !c.cfg.wantsACME():
			continue // the default, which is of no matter then
		case problem == "" && !strings.Contains(name, "."):
			problem = fmt.Sprintf("%q is not a name that others can look up", name)
		}
		if problem != "" {
			c.fail("acme.names", "element %d: %s", i+1, problem)
		}
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		c.fail("acme.directory", "%q is not an https address", a.Directory)
	}
	if a.Email != "" && (strings.Count(a.Email, "@") != 1 || strings.ContainsAny(a.Email, " <>\r\n\t,")) {
		c.fail("acme.email", "%q is not a bare address", a.Email)
	}
	c.address("acme.address", a.Address)
	if a.Root != "" {
		if _, err := readRoots(a.Root); err != nil {
			c.fail("acme.root", "%v", err)
		}
	}
}
