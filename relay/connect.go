package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/nexthop"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// maxAddresses bounds how many addresses of a site one attempt tries: a site with a hundred dead
// hosts costs no more than one with a few.
const maxAddresses = 8

// peer is an open connection to one of a site's hosts, ready for MAIL.
type peer struct {
	client carrier
	key    hostKey
	facts  *peerFacts // for the first attempt
	again  *peerFacts // for the later ones
	sent   int        // messages started on it
	// pipelining tells that commands are sent without waiting for the reply to the one before.
	pipelining bool
	useful     bool // a transaction has come to its end on it, whatever the answer

	host     string      // the name that its certificate is to have
	roots    *tls.Config // whom to believe
	verified *bool       // what verify found; nil before it was asked
}

// verify tells whether the connection is secured by a certificate that names the host. Opportunistic TLS takes any
// certificate, so it is looked at only when a message asks.
func (p *peer) verify() bool {
	if p.verified == nil {
		ok := p.certified()
		p.verified = &ok
	}
	return *p.verified
}

func (p *peer) certified() bool {
	state, ok := p.client.TLS()
	if !ok || len(state.PeerCertificates) == 0 {
		return false
	}
	options := x509.VerifyOptions{DNSName: p.host, Roots: p.roots.RootCAs, Intermediates: x509.NewCertPool()}
	if p.roots.Time != nil {
		options.CurrentTime = p.roots.Time()
	}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err == nil
}

// connector opens connections for one lane, with the settings in force when it was made.
type connector struct {
	relay  *Relay
	source policy.Source
	limits policy.Limits
	logins nexthop.Logins
	route  resolver.Route
	// routeTook is how long the route took to find; 0 if it was there already.
	routeTook time.Duration
	domain    string
	steps     []Step
	start     time.Time
}

// connect tries the hosts in order, the ones known to be dead last, until one serves us. When none does,
// the status is the one to give the mail: the last thing heard that leaves hope, or, if every host
// refused us for good, the last refusal. Some hosts of a site may be shut while others are only away.
func (c *connector) connect(ctx context.Context) (*peer, *peerFacts, message.Status) {
	c.start = time.Now()
	if c.route.Kind == resolver.KindLocal {
		p := c.localPeer()
		return p, p.facts, message.Status{}
	}
	facts := c.facts()
	status := localStatus(451, message.EnhancedCode{4, 4, 1}, "no host of "+c.route.Site+" has an address")
	targets, complete := c.targets()
	for i, t := range targets {
		if ctx.Err() != nil {
			break
		}
		p, err := c.reach(ctx, t.host, t.addr)
		if err == nil {
			return p, p.facts, message.Status{}
		}
		if failed := c.failure(t.host, t.addr, err); i == 0 || status.Permanent() || !failed.Permanent() {
			facts.host, facts.addr, status = t.host.Name, t.addr, failed
		}
		if errors.Is(err, errLogin) {
			break // the next address would count it as one more wrong password
		}
	}
	if status.Permanent() && !complete {
		status.Code, status.Enhanced = 451, message.EnhancedCode{4, 3, 0} // others were not asked
	}
	facts.steps = c.steps
	return nil, facts, status
}

// target is an address to try.
type target struct {
	host resolver.Host
	addr netip.AddrPort
}

// targets returns the addresses to try in their order; complete tells that these are all there are.
func (c *connector) targets() (targets []target, complete bool) {
	var late []target
	for _, host := range c.route.Hosts {
		for _, addr := range host.Addrs {
			if c.limits.Port != 0 && (c.route.Kind == resolver.KindMX || c.route.Kind == resolver.KindImplicit) {
				addr = netip.AddrPortFrom(addr.Addr(), c.limits.Port)
			}
			if c.relay.hosts.get(hostKey{addr, host.Socket}).dead.After(c.start) {
				late = append(late, target{host, addr})
			} else {
				targets = append(targets, target{host, addr})
			}
		}
	}
	targets = append(targets, late...)
	if len(targets) > maxAddresses {
		return targets[:maxAddresses], false
	}
	return targets, true
}

func (c *connector) facts() *peerFacts {
	hosts := make([]string, 0, min(len(c.route.Hosts), MaxDetailHosts))
	for _, h := range c.route.Hosts[:cap(hosts)] {
		hosts = append(hosts, h.Name)
	}
	return &peerFacts{
		domain: c.domain, site: c.route.Site, source: c.source.Name,
		route: RouteDetail{
			Kind: c.route.Kind.String(), Cached: c.route.Cached, Stale: c.route.Stale, Took: c.routeTook, Hosts: hosts,
		},
	}
}

// reach opens one connection. A TLS handshake that fails is tried again without the large
// post-quantum key share, and then, where policy allows, in the clear; both are remembered of the host.
func (c *connector) reach(ctx context.Context, host resolver.Host, addr netip.AddrPort) (*peer, error) {
	key := hostKey{addr, host.Socket}
	for {
		notes := c.relay.hosts.get(key)
		p, err := c.open(ctx, host, addr, notes)
		if err == nil {
			c.relay.hosts.forgive(key)
			return p, nil
		}
		var handshake *handshakeError
		switch {
		case ctx.Err() != nil || !errors.As(err, &handshake):
			return nil, err
		case !notes.classic.After(c.start):
			c.relay.hosts.note(key, func(n *hostNotes) { n.classic = time.Now().Add(rememberClassic) })
		case c.wantTLS(host, addr) == policy.TLSOpportunistic && !notes.noTLS.After(c.start):
			c.relay.hosts.note(key, func(n *hostNotes) { n.noTLS = time.Now().Add(rememberNoTLS) })
		default:
			return nil, err
		}
	}
}

// handshakeError tells that the host offered STARTTLS and then failed at it.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// open dials, greets and sets up TLS as the policy says.
func (c *connector) open(ctx context.Context, host resolver.Host, addr netip.AddrPort, notes hostNotes) (*peer, error) {
	c.relay.metrics.connections.Add(1)
	dialCtx, cancel := context.WithTimeout(ctx, c.limits.ConnectTimeout)
	conn, err := c.dial(dialCtx, host, addr)
	cancel()
	c.step("connect", where(host, addr), err)
	if err != nil {
		c.relay.hosts.note(hostKey{addr, host.Socket}, func(n *hostNotes) { n.dead = time.Now().Add(rememberDead) })
		return nil, err
	}
	login, _ := c.logins.At(host.Name, addr.Port())
	if login.ImplicitTLS {
		if conn, err = c.encrypt(ctx, conn, host, addr, notes); err != nil {
			return nil, err
		}
	}
	client := smtp.NewClient(conn, c.clientConfig(notes))
	if err := client.Greet(ctx); err != nil {
		c.step("greeting", "", err)
		client.Close()
		return nil, err
	}
	c.steps = append(c.steps, Step{Phase: "greeting", At: time.Since(c.start), Status: client.Extensions().Greeting})
	if err := c.secure(ctx, client, host, addr, notes); err != nil {
		client.Close()
		return nil, err
	}
	if err := c.logIn(ctx, client, host, login); err != nil {
		client.Quit(ctx) // who vanishes after a wrong password looks like a burglar
		return nil, err
	}
	facts := c.facts()
	facts.host, facts.addr = host.Name, addr
	facts.protocol, facts.final = "SMTP", c.route.LMTP
	switch {
	case c.route.LMTP:
		facts.protocol = "LMTP"
	case client.Extensions().ESMTP:
		facts.protocol = "ESMTP"
	}
	level := TLSClear
	if state, ok := client.TLS(); ok {
		facts.protocol += "S"
		facts.tls, facts.cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
		level = TLSEncrypted
		if len(state.VerifiedChains) > 0 {
			level = TLSVerified
		}
	}
	if login.User != "" {
		facts.protocol += "A" // RFC 3848
	}
	c.relay.metrics.tls[level].Add(1)
	facts.connectTook = time.Since(c.start)
	facts.steps = c.steps
	return &peer{
		client: client, key: hostKey{addr, host.Socket}, facts: facts, again: facts.again(),
		pipelining: client.Extensions().Pipelining && !c.lockstep(notes),
		host:       host.Name, roots: c.relay.cfg.TLS,
	}, nil
}

func (c *connector) clientConfig(notes hostNotes) smtp.ClientConfig {
	cfg := c.relay.cfg.Client
	cfg.Hostname = c.relay.cfg.Hostname
	if c.source.EHLO != "" {
		cfg.Hostname = c.source.EHLO
	}
	cfg.LMTP = c.route.LMTP
	cfg.Timeouts = smtp.Timeouts(c.limits.Phases)
	cfg.DisablePipelining = c.lockstep(notes)
	cfg.DisableChunking = cfg.DisableChunking || c.limits.NoChunking || notes.noChunking.After(c.start)
	return cfg
}

func (c *connector) lockstep(notes hostNotes) bool {
	return c.limits.NoPipelining || c.relay.cfg.Client.DisablePipelining || notes.lockstep.After(c.start)
}

// secure does STARTTLS as far as policy and host go together.
func (c *connector) secure(ctx context.Context, client *smtp.Client, host resolver.Host, addr netip.AddrPort, notes hostNotes) error {
	if _, implicit := client.TLS(); implicit || host.Socket != "" {
		return nil // a socket does not leave this machine
	}
	want := c.wantTLS(host, addr)
	if want == policy.TLSNone || (want == policy.TLSOpportunistic && notes.noTLS.After(c.start)) {
		return nil
	}
	if !client.Extensions().StartTLS {
		if want == policy.TLSOpportunistic {
			return nil
		}
		return noTLS("TLS is required and " + host.Name + " does not offer it")
	}
	err := client.StartTLS(ctx, c.tlsSettings(host, want, notes))
	c.step("tls", "", err)
	if err == nil {
		return nil
	}
	var refused message.Status
	var phase *smtp.PhaseError
	switch {
	case client.Err() == nil && want == policy.TLSOpportunistic:
		return nil // refused in so many words: the connection still serves in the clear
	case client.Err() == nil && errors.As(err, &refused):
		// Whatever it says: the lack of TLS may be an attack or a mistake, and never bounces mail.
		return noTLS("TLS is required and " + host.Name + " refused it: " + refused.String())
	case errors.As(err, &phase) && phase.Phase == smtp.PhaseHandshake:
		return handshakeFailed(host, err)
	}
	return err
}

// tlsSettings are those of one handshake.
func (c *connector) tlsSettings(host resolver.Host, want policy.TLSPolicy, notes hostNotes) *tls.Config {
	settings := c.relay.cfg.TLS.Clone()
	settings.ServerName = host.Name
	settings.InsecureSkipVerify = want != policy.TLSVerify
	if notes.classic.After(c.start) {
		settings.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	return settings
}

// handshakeFailed tells a certificate that does not do from a handshake that may be tried again.
func handshakeFailed(host resolver.Host, err error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return localStatus(451, message.EnhancedCode{4, 7, 5}, "the certificate of "+host.Name+": "+untrusted.Err.Error())
	}
	return &handshakeError{err}
}

func noTLS(text string) message.Status {
	return localStatus(451, message.EnhancedCode{4, 7, 10}, text)
}

func (c *connector) step(phase, host string, err error) {
	s := Step{Phase: phase, Host: host, At: time.Since(c.start)}
	if err != nil && !errors.As(err, &s.Status) {
		s.Status.Text = err.Error()
	}
	c.steps = append(c.steps, s)
}

// failure is what mail is told when a host could not be reached or did not want us. A refusal in words is
// passed on as it is; anything else is temporary.
func (c *connector) failure(host resolver.Host, addr netip.AddrPort, err error) message.Status {
	c.relay.metrics.connectFailures.Add(1)
	var status message.Status
	if errors.As(err, &status) && status.Code >= 400 {
		return status
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return localStatus(451, message.EnhancedCode{4, 4, 1}, "connect to "+where(host, addr)+": "+dial.Err.Error())
	}
	return localStatus(451, message.EnhancedCode{4, 4, 2}, where(host, addr)+": "+err.Error())
}

// where names a host and its address for people.
func where(host resolver.Host, addr netip.AddrPort) string {
	if host.Socket != "" {
		return host.Socket
	}
	return fmt.Sprintf("%s [%s]:%d", host.Name, addr.Addr(), addr.Port())
}

func (c *connector) dial(ctx context.Context, host resolver.Host, addr netip.AddrPort) (net.Conn, error) {
	if host.Socket != "" {
		return c.relay.cfg.DialSocket(ctx, host.Socket)
	}
	return c.relay.cfg.Dial(ctx, c.source, addr)
}
