package smtp

import (
	"bytes"
	"encoding/base64"
	"errors"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// maxAuthRounds bounds the challenges of one authentication; no mechanism in use has more than three.
const maxAuthRounds = 10

// authMechanisms returns what to offer here and now, nil for none.
func (c *serverConn) authMechanisms() []string {
	if s, ok := c.session.(gosmtp.AuthSession); ok && c.authAllowed() && !c.info.Authenticated {
		return s.AuthMechanisms()
	}
	return nil
}

func (c *serverConn) authAllowed() bool { return c.info.TLS != nil || c.cfg.AllowInsecureAuth }

// authOffered tells whether the session knows AUTH at all.
func (c *serverConn) authOffered() bool {
	_, ok := c.session.(gosmtp.AuthSession)
	return ok
}

// auth answers AUTH (RFC 4954 4).
func (c *serverConn) auth(arg []byte) {
	session, ok := c.session.(gosmtp.AuthSession)
	switch {
	case !ok:
		c.refuse(replyNotImplemented)
		return
	case c.info.HELO == "" || !c.info.ESMTP:
		c.refuse(replyNeedHelo)
		return
	case c.info.Authenticated:
		c.refuse(replyTwiceAuth)
		return
	case c.tx.open:
		c.refuse(replyInTransaction)
		return
	case !c.authAllowed():
		c.refuse(replyAuthNeedsTLS)
		return
	}
	mechanism, initial, hasInitial := bytes.Cut(arg, []byte{' '})
	if len(mechanism) == 0 || bytes.IndexByte(initial, ' ') >= 0 {
		c.refuse(replySyntaxAuth)
		return
	}
	upperASCII(mechanism)
	if !offersMechanism(session, string(mechanism)) {
		c.refuse(replyMechanism)
		return
	}
	server, err := session.Auth(string(mechanism))
	if err != nil {
		c.refuseAuth(err)
		return
	}
	c.exchange(server, initial, hasInitial)
}

func offersMechanism(s gosmtp.AuthSession, name string) bool {
	for _, m := range s.AuthMechanisms() {
		if m == name {
			return true
		}
	}
	return false
}

// exchange runs the challenges and responses to their end.
func (c *serverConn) exchange(server sasl.Server, text []byte, hasText bool) {
	var response []byte // nil when the client gave no initial response
	if hasText {
		var ok bool
		if response, ok = c.decodeResponse(text, true); !ok {
			return
		}
	}
	for range maxAuthRounds {
		challenge, done, err := server.Next(response)
		switch {
		case err != nil:
			c.refuseAuth(err)
			return
		case done:
			c.info.Authenticated = true
			c.say(replyAuthOK)
			return
		}
		c.out = append(c.out, "334 "...)
		c.out = base64.StdEncoding.AppendEncode(c.out, challenge)
		c.out = append(c.out, "\r\n"...)
		line, err := c.readCommand()
		if errors.Is(err, errLineTooLong) {
			c.refuse(replyAuthLine)
			return
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		var ok bool
		if response, ok = c.decodeResponse(line, false); !ok {
			return
		}
	}
	c.refuse(replyAuthFailed)
}

// decodeResponse decodes a client's response and refuses what cannot be. "=" is an initial
// response that is empty.
func (c *serverConn) decodeResponse(text []byte, initial bool) (response []byte, ok bool) {
	switch {
	case !initial && string(text) == "*":
		c.refuse(replyAuthCancelled)
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

// refuseAuth says why, if the Session gave a reply, and no more than that it failed otherwise: an
// error of a mechanism may tell a right name from a wrong one.
func (c *serverConn) refuseAuth(err error) {
	var e *gosmtp.SMTPError
	if errors.As(err, &e) && e.Code >= 400 {
		c.answer(err, "")
		return
	}
	c.refuse(replyAuthFailed)
}
