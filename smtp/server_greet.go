package smtp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// begin takes the connection up to the greeting. It reports false if there will be no dialogue.
func (c *serverConn) begin() bool {
	c.info.RemoteAddr, c.info.LocalAddr = addrPort(c.raw.RemoteAddr()), addrPort(c.raw.LocalAddr())
	if !c.readProxyHeader() {
		c.srv.metrics.proxyFail.Add(1)
		return false
	}
	if !c.srv.conns.addAddr(c, c.info.RemoteAddr.Addr()) {
		c.srv.metrics.refused.Add(1)
		if !c.cfg.ImplicitTLS {
			c.end(replyConnections)
		}
		return false
	}
	if c.cfg.ImplicitTLS && !c.handshake() {
		return false
	}
	session, err := c.srv.Backend.NewSession(c.info)
	if err != nil {
		c.refuseSession(err)
		return false
	}
	c.session = session
	if c.talksEarly() {
		c.end(replyEarlyTalk)
		return false
	}
	c.out = append(c.out, "220 "...)
	c.out = append(c.out, c.cfg.Hostname...)
	c.out = append(c.out, " ESMTP\r\n"...)
	return true
}

func (c *serverConn) refuseSession(err error) {
	var e *gosmtp.SMTPError
	if errors.As(err, &e) && e.Code >= 400 && e.Code <= 599 {
		c.out = appendSMTPError(c.out, e)
		c.linger = true
		return
	}
	c.end(replyNoSession)
}

// talksEarly waits for GreetDelay and tells whether the client talked before its turn. Honest
// clients wait for the greeting (RFC 5321 3.1); much spamware does not.
func (c *serverConn) talksEarly() bool {
	if c.cfg.GreetDelay <= 0 {
		return false
	}
	c.armed = time.Time{}
	_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.GreetDelay))
	n, err := c.nc.Read(c.in.space())
	c.in.w += n
	return err == nil
}

// hello answers HELO and EHLO. Both begin anew, as RSET does (RFC 5321 4.1.4).
func (c *serverConn) hello(arg []byte, esmtp bool) {
	arg, _, _ = bytes.Cut(arg, []byte{' '}) // some say more of themselves, as RFC 2821 had it (RFC 5321 4.1.1.1)
	if !validHelo(arg) {
		c.refuse(replySyntaxHelo)
		return
	}
	if c.info.HELO != "" {
		c.resetTransaction()
	}
	c.info.HELO = string(arg)
	c.info.ESMTP = esmtp
	if !esmtp {
		c.out = append(c.out, "250 "...)
		c.out = append(c.out, c.cfg.Hostname...)
		c.out = append(c.out, "\r\n"...)
		return
	}
	c.out = append(c.out, "250-"...)
	c.out = append(c.out, c.cfg.Hostname...)
	c.out = append(c.out, "\r\n250-PIPELINING\r\n250-8BITMIME\r\n"...)
	c.out = append(c.out, "250-SIZE "...)
	c.out = strconv.AppendInt(c.out, c.cfg.MaxMessageBytes, 10)
	c.out = append(c.out, "\r\n"...)
	if !c.cfg.DisableSMTPUTF8 {
		c.out = append(c.out, "250-SMTPUTF8\r\n"...)
	}
	if !c.cfg.DisableChunking {
		c.out = append(c.out, "250-CHUNKING\r\n"...)
	}
	if !c.cfg.DisableDSN {
		c.out = append(c.out, "250-DSN\r\n"...)
	}
	if c.srv.tls != nil && c.info.TLS == nil && c.tlsReady() {
		c.out = append(c.out, "250-STARTTLS\r\n"...)
	}
	if c.cfg.EnableREQUIRETLS && c.info.TLS != nil {
		c.out = append(c.out, "250-REQUIRETLS\r\n"...)
	}
	if mechanisms := c.authMechanisms(); len(mechanisms) > 0 {
		c.out = append(c.out, "250-AUTH"...)
		for _, m := range mechanisms {
			c.out = append(append(c.out, ' '), m...)
		}
		c.out = append(c.out, "\r\n"...)
	}
	c.out = append(c.out, "250-HELP\r\n"...)        // each command that not every server has is named (RFC 5321 4.1.1.1)
	c.out = append(c.out, "250-LIMITS RCPTMAX="...) // RFC 9422
	c.out = strconv.AppendInt(c.out, int64(c.cfg.MaxRecipients), 10)
	c.out = append(c.out, "\r\n250 ENHANCEDSTATUSCODES\r\n"...)
}

// validHelo takes more than a domain or literal (RFC 5321 4.1.1.1), since many clients know no
// better name for themselves, but nothing that could break out of a Received field.
func validHelo(arg []byte) bool {
	if len(arg) == 0 || len(arg) > 255 {
		return false
	}
	for _, b := range arg {
		switch {
		case b <= ' ' || b > '~':
			return false
		case b == '(' || b == ')' || b == '<' || b == '>' || b == '@' || b == ',' || b == ';' || b == '\\' || b == '"':
			return false
		}
	}
	return true
}

// startTLS answers STARTTLS (RFC 3207). Nothing that was received in the clear may take effect
// under TLS (CVE-2011-0411): a client that did not wait is an attacker's victim or broken, and
// is cut off.
func (c *serverConn) startTLS() {
	switch {
	case c.info.TLS != nil:
		c.refuse(replyTwiceTLS)
		return
	case c.srv.tls == nil:
		c.refuse(replyNotImplemented)
		return
	case !c.tlsReady():
		c.refuse(replyNoTLSYet)
		return
	case c.tx.open:
		c.refuse(replyInTransaction)
		return
	case c.info.Authenticated:
		c.refuse(replyTwiceAuth)
		return
	case len(c.in.unread()) > 0:
		c.countError()
		c.end(replyBehindStartTLS)
		return
	}
	c.say(replyStartTLS)
	if c.flush() != nil || !c.handshake() {
		c.done = true
		return
	}
	c.session.Reset()
	c.info.HELO, c.info.ESMTP = "", false
}

func (c *serverConn) tlsReady() bool { return c.cfg.TLSReady == nil || c.cfg.TLSReady() }

// handshake puts TLS on the connection. After a failure nothing can be said any more.
func (c *serverConn) handshake() bool {
	c.arm()
	t := tls.Server(c.nc, c.srv.tls)
	c.nc = t
	if err := t.Handshake(); err != nil {
		c.srv.metrics.tlsFailures.Add(1)
		return false
	}
	c.srv.metrics.handshakes.Add(1)
	state := t.ConnectionState()
	c.info.TLS = &state
	return true
}

// addrPort returns the zero AddrPort for transports other than TCP.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
