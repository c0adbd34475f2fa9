package smtp

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// Mechanism is the client's side of one SASL exchange (RFC 4422): the words it says, not the choice of it, which is
// policy's. It is used once.
type Mechanism interface {
	// Name is what AUTH says.
	Name() string
	// Start returns the initial response; nil when the server speaks first.
	Start() ([]byte, error)
	// Next returns the response to a challenge. After an error the exchange is cancelled.
	Next(challenge []byte) ([]byte, error)
	// Finish is asked once the server has said yes: an error tells that it did not prove what the mechanism has it prove,
	// and that its yes is worth nothing.
	Finish() error
}

const (
	// clientAuthRounds bounds the challenges of one exchange; no mechanism in use has more than three.
	clientAuthRounds = 8
	// clientAuthLine is the longest AUTH command with an initial response, without its CRLF (RFC 4954 4: it must fit in a
	// command line, which RFC 5321 4.5.3.1.4 ends at 512). A longer one goes after a 334.
	clientAuthLine = 510
)

// Auth logs in (RFC 4954), after Greet and StartTLS and before any mail. It does not look at what the connection is: the
// caller decides to whom a password may be shown.
//
// If the peer refused, the error wraps its message.Status and Err returns nil: the connection still serves, also for
// another mechanism. After any other error it is of no further use.
func (c *Client) Auth(ctx context.Context, m Mechanism) error {
	if err := c.begin(ctx, PhaseAuth); err != nil {
		return err
	}
	if !c.greeted || c.InFlight() > 0 || !c.r.empty() {
		return c.die(PhaseAuth, ErrMisuse)
	}
	initial, err := m.Start()
	if err != nil {
		return c.die(PhaseAuth, err)
	}
	line := "AUTH " + m.Name()
	if initial != nil && len(line)+1+base64.StdEncoding.EncodedLen(len(initial)) <= clientAuthLine {
		line += " " + clientAuthText(initial, "=")
		initial = nil
	}
	rep, err := c.command(PhaseAuth, line+"\r\n")
	for round := 0; ; round++ {
		switch {
		case err != nil:
			return err
		case rep.code == 235:
			return c.authenticated(m)
		case rep.code == 421:
			return c.refusal(PhaseAuth, rep.status())
		case rep.code >= 400:
			return &PhaseError{PhaseAuth, rep.status()}
		case rep.code != 334:
			return c.die(PhaseAuth, fmt.Errorf("%w: AUTH answered with %d", ErrProtocol, rep.code))
		case round == clientAuthRounds:
			return c.cancelAuth(fmt.Errorf("%w: no end of challenges", ErrProtocol))
		}
		response := initial
		if initial = nil; response == nil {
			challenge, bad := authChallenge(rep)
			if bad == nil {
				response, bad = m.Next(challenge)
			}
			if bad != nil {
				return c.cancelAuth(bad)
			}
		}
		rep, err = c.command(PhaseAuth, clientAuthText(response, "")+"\r\n")
	}
}

// authenticated takes the server's yes.
func (c *Client) authenticated(m Mechanism) error {
	if err := m.Finish(); err != nil {
		return c.die(PhaseAuth, err)
	}
	if !c.r.empty() {
		return c.die(PhaseAuth, fmt.Errorf("%w: more than the reply to AUTH", ErrProtocol))
	}
	return nil
}

// cancelAuth ends an exchange in the middle (RFC 4954 4). Who sends what is no challenge is not to be sent mail.
func (c *Client) cancelAuth(why error) error {
	c.w.text("*\r\nQUIT\r\n")
	c.w.flush()
	return c.die(PhaseAuth, why)
}

// authChallenge decodes the text of a 334. Its last line counts, as there is only one; none is an empty challenge.
func authChallenge(rep reply) ([]byte, error) {
	var text []byte
	for line := range rep.lines() {
		text = line
	}
	challenge := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(challenge, bytes.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no challenge in base64", ErrProtocol, message.CleanLine(string(text), 40))
	}
	return challenge[:n], nil
}

// clientAuthText encodes a response; empty is what stands for one without content.
func clientAuthText(response []byte, empty string) string {
	if len(response) == 0 {
		return empty
	}
	return base64.StdEncoding.EncodeToString(response)
}
