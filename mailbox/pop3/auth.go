package pop3

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// maxAuthRounds bounds the challenges of one authentication; no mechanism in use has more than three.
const maxAuthRounds = 10

// auth answers AUTH (RFC 5034 4).
func (c *conn) auth(arg []byte) {
	mechanisms := c.cfg.Logins.Mechanisms(c.tls)
	if len(arg) == 0 {
		c.listMechanisms(mechanisms)
		return
	}
	word, initial, hasInitial := bytes.Cut(arg, []byte{' '})
	if len(word) == 0 || bytes.IndexByte(initial, ' ') >= 0 {
		c.refuse(replySyntaxAuth)
		return
	}
	upperASCII(word)
	mechanism := string(word)
	switch {
	case slices.Contains(mechanisms, mechanism):
	case len(mechanisms) == 0 && c.tls == nil && c.srv.tls != nil:
		c.refuse(replyNeedTLS)
		return
	default:
		c.refuse(replyMechanism)
		return
	}
	var response []byte // nil when the client gave no initial response
	if hasInitial {
		var ok bool
		if response, ok = c.decodeResponse(initial, true); !ok {
			return
		}
	}
	ctx, cancel := context.WithDeadline(c.ctx, c.loginBy)
	defer cancel()
	x, err := c.cfg.Logins.Begin(ctx, mechanism, c.client())
	if err != nil {
		c.loginFailed(err)
		return
	}
	if c.exchange(x, response) {
		c.enter(x.Owner())
	}
}

// listMechanisms answers AUTH without an argument, which is older than CAPA; some clients still ask so.
func (c *conn) listMechanisms(mechanisms []string) {
	c.say(replyMechanisms)
	for _, m := range mechanisms {
		c.say(m + "\r\n")
	}
	c.say(replyListEnd)
}

// exchange runs the challenges and responses to their end and tells whether that was a login.
func (c *conn) exchange(x mailbox.Exchange, response []byte) bool {
	for range maxAuthRounds {
		challenge, done, err := x.Next(response)
		switch {
		case err != nil:
			c.loginFailed(err)
			return false
		case done && len(challenge) == 0:
			return true
		}
		c.say("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
		line, err := c.readLine()
		if err != nil {
			c.readFailed(err)
			return false
		}
		var ok bool
		if response, ok = c.decodeResponse(line, false); !ok {
			return false
		}
		if done { // the challenge was the mechanism's last word, for which POP3 has no other place
			return true
		}
	}
	c.refuse(replyAuthFailed)
	return false
}

// decodeResponse decodes a client's response and refuses what cannot be. "=" is an initial response that
// is empty.
func (c *conn) decodeResponse(text []byte, initial bool) (response []byte, ok bool) {
	switch {
	case !initial && string(text) == "*":
		c.refuse(replyCancelled)
		return nil, false
	case initial && string(text) == "=":
		return []byte{}, true
	}
	response, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		c.refuse(replyBase64)
		return nil, false
	}
	return response, true
}
