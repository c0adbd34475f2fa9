package smtp

import (
	"context"
	"crypto/tls"
	"fmt"
)

// Greet reads the greeting and says EHLO, or HELO to a peer that does not know EHLO.
// A refusal is returned as an error that wraps the message.Status (errors.As).
func (c *Client) Greet(ctx context.Context) error {
	if err := c.begin(ctx, PhaseGreeting); err != nil {
		return err
	}
	rep, err := c.read(PhaseGreeting)
	if err != nil {
		return err
	}
	greeting := rep.status()
	switch {
	case rep.code == 220:
	case rep.code >= 400:
		return c.refusal(PhaseGreeting, greeting)
	default:
		return c.die(PhaseGreeting, fmt.Errorf("%w: greeting with %d", ErrProtocol, rep.code))
	}
	if !c.r.empty() { // it would be taken for the reply to EHLO
		return c.die(PhaseGreeting, fmt.Errorf("%w: more than a greeting", ErrProtocol))
	}
	c.ext.Greeting = greeting
	return c.hello()
}

// hello says EHLO, falls back to HELO on a 5xx (RFC 5321 3.2), and notes what is offered.
func (c *Client) hello() error {
	if c.cfg.LMTP {
		return c.helloLMTP()
	}
	rep, err := c.command(PhaseEHLO, "EHLO "+c.cfg.Hostname+"\r\n")
	if err != nil {
		return err
	}
	ext := Extensions{}
	if rep.code/100 == 2 {
		ext = parseExtensions(rep)
	}
	if rep.code/100 == 5 {
		if rep, err = c.command(PhaseEHLO, "HELO "+c.cfg.Hostname+"\r\n"); err != nil {
			return err
		}
		ext = parseHelo(rep)
	}
	switch {
	case rep.code/100 == 2:
	case rep.code >= 400:
		return c.refusal(PhaseEHLO, rep.status())
	default:
		return c.die(PhaseEHLO, fmt.Errorf("%w: EHLO answered with %d", ErrProtocol, rep.code))
	}
	c.offered(ext)
	return nil
}

// offered notes what the peer offers.
func (c *Client) offered(ext Extensions) {
	ext.RequireTLS = ext.RequireTLS && c.secure // nobody's to offer in the clear (RFC 8689 2)
	ext.Greeting = c.ext.Greeting
	c.ext, c.greeted = ext, true
}

// StartTLS does STARTTLS, the handshake and EHLO again. If the peer refused STARTTLS the error
// wraps its message.Status and Err returns nil: the connection still serves in the clear. After any
// other error it is of no further use.
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error {
	if err := c.begin(ctx, PhaseStartTLS); err != nil {
		return err
	}
	if !c.greeted || c.secure || c.InFlight() > 0 || !c.r.empty() {
		return c.die(PhaseStartTLS, ErrMisuse)
	}
	rep, err := c.command(PhaseStartTLS, "STARTTLS\r\n")
	if err != nil {
		return err
	}
	switch {
	case rep.code == 421:
		return c.refusal(PhaseStartTLS, rep.status())
	case rep.code >= 400:
		return &PhaseError{PhaseStartTLS, rep.status()}
	case rep.code != 220:
		return c.die(PhaseStartTLS, fmt.Errorf("%w: STARTTLS answered with %d", ErrProtocol, rep.code))
	case !c.r.empty():
		return c.die(PhaseStartTLS, ErrGluedTLS)
	}
	return c.handshake(ctx, config)
}

// handshake encrypts the connection. What was learnt in the clear is forgotten (RFC 3207 4.2).
func (c *Client) handshake(ctx context.Context, config *tls.Config) error {
	t := tls.Client(c.conn, config)
	c.armRead(c.cfg.Timeouts.EHLO)
	c.armWrite()
	if err := t.HandshakeContext(ctx); err != nil {
		return c.die(PhaseHandshake, c.reason(err))
	}
	c.use(t)
	c.secure = true
	return c.hello()
}
