package pop3

import (
	"context"
	"crypto/tls"
	"time"
)

// stls answers STLS (RFC 2595 4). Nothing that was received in clear may take effect under TLS
// (CVE-2011-0411): a client that did not wait is an attacker's victim or broken, and is cut off.
func (c *conn) stls() {
	switch {
	case c.tls != nil:
		c.refuse(replyTwiceTLS)
		return
	case c.srv.tls == nil:
		c.refuse(replyNoTLS)
		return
	case !c.tlsReady():
		c.say(replyNoTLSYet)
		return
	case c.utf8: // RFC 6856 2.1
		c.refuse(replyUTF8First)
		return
	case c.in.Buffered() > 0:
		c.countError()
		c.end(replyBehindTLS)
		return
	}
	c.say(replyStartTLS)
	if c.out.Flush() != nil || !c.handshake() {
		c.done = true
		return
	}
	c.name = ""
}

func (c *conn) tlsReady() bool { return c.cfg.TLSReady == nil || c.cfg.TLSReady() }

// handshake puts TLS on the connection. After a failure nothing can be said any more.
func (c *conn) handshake() bool {
	t := tls.Server(c.nc, c.srv.tls)
	c.nc = t
	_ = t.SetDeadline(c.loginBy)
	if c.srv.stopping.Load() { // Shutdown may have been here before the deadline was
		_ = t.SetReadDeadline(time.Unix(1, 0))
	}
	ctx, cancel := context.WithDeadline(c.ctx, c.loginBy)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		c.srv.metrics.tlsFailures.Add(1)
		return false
	}
	c.srv.metrics.handshakes.Add(1)
	state := t.ConnectionState()
	c.tls = &state
	return true
}
