package imap

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// maxResponse bounds a line of a SASL exchange, before login.
const maxResponse = 12 << 10

// login is LOGIN (RFC 9051 6.2.3), for clients that know nothing better.
func (d *door) login(c *command) (mailbox.Owner, error) {
	name, rest, ok1 := takeString(strings.TrimPrefix(c.args, " "))
	secret, rest, ok2 := takeString(strings.TrimPrefix(rest, " "))
	if !ok1 || !ok2 || strings.TrimSpace(rest) != "" {
		return nil, &refusal{tag: c.tag, reply: "BAD LOGIN takes a name and a password"}
	}
	if err := d.mayLogIn(c, ""); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(d.srv.ctx, d.until)
	defer cancel()
	owner, err := d.cfg.Logins.Password(ctx, d.client(), name, secret)
	if err != nil {
		return nil, d.denied(c, err)
	}
	return owner, d.welcome(c)
}

// authenticate is AUTHENTICATE (RFC 9051 6.2.2) with what Logins knows.
func (d *door) authenticate(c *command) (mailbox.Owner, error) {
	words := strings.Fields(c.args)
	if len(words) < 1 || len(words) > 2 {
		return nil, &refusal{tag: c.tag, reply: "BAD AUTHENTICATE takes a mechanism and perhaps a response"}
	}
	mechanism := strings.ToUpper(words[0])
	if err := d.mayLogIn(c, mechanism); err != nil {
		return nil, err
	}
	var response []byte
	if len(words) == 2 {
		var err error
		if response, err = decodeResponse(words[1]); err != nil {
			return nil, &refusal{tag: c.tag, reply: "BAD Not base64"}
		}
	}
	ctx, cancel := context.WithDeadline(d.srv.ctx, d.until)
	defer cancel()
	exchange, err := d.cfg.Logins.Begin(ctx, mechanism, d.client())
	if err != nil {
		return nil, d.denied(c, err)
	}
	if err := d.exchange(c, exchange, response); err != nil {
		return nil, err
	}
	return exchange.Owner(), d.welcome(c)
}

// exchange runs a SASL exchange to its good end, or returns how it was answered.
func (d *door) exchange(c *command, x mailbox.Exchange, response []byte) error {
	for {
		challenge, done, err := x.Next(response)
		if err != nil {
			return d.denied(c, err)
		}
		if done && len(challenge) == 0 {
			return nil
		}
		if err := d.reply("+ " + base64.StdEncoding.EncodeToString(challenge)); err != nil {
			return err
		}
		if err := d.wait(d.until); err != nil {
			return err
		}
		line, err := d.line(maxResponse)
		switch {
		case err == errLineTooLong:
			return &refusal{tag: c.tag, reply: "BAD Response too long", fatal: true}
		case err != nil:
			return err
		case string(line) == "*":
			return &refusal{tag: c.tag, reply: "BAD Exchange cancelled"}
		}
		if response, err = decodeResponse(string(line)); err != nil {
			return &refusal{tag: c.tag, reply: "BAD Not base64"}
		}
		if done {
			// The challenge was the mechanism's last word, which IMAP has no other place for.
			return nil
		}
	}
}

// decodeResponse decodes base64; "=" is an empty initial response (RFC 4959 3).
func decodeResponse(s string) ([]byte, error) {
	if s == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.DecodeString(s)
}

// mayLogIn refuses logins, or a mechanism, that this connection is not good for.
func (d *door) mayLogIn(c *command, mechanism string) error {
	offered := d.cfg.Logins.Mechanisms(d.tls)
	switch {
	case len(offered) == 0 && d.tls == nil:
		return &refusal{tag: c.tag, reply: "NO [PRIVACYREQUIRED] Use TLS first"}
	case len(offered) == 0:
		return &refusal{tag: c.tag, reply: "NO [UNAVAILABLE] No logins here"}
	case mechanism != "" && !slices.Contains(offered, mechanism):
		return &refusal{tag: c.tag, reply: "NO [CANNOT] Mechanism not offered"}
	}
	return nil
}

// denied turns an error of Logins into an answer.
func (d *door) denied(c *command, err error) error {
	var e *mailbox.LoginError
	if !errors.As(err, &e) {
		return &refusal{tag: c.tag, reply: "NO [UNAVAILABLE] Logins do not work now", fatal: true}
	}
	d.srv.count.refusedLogins.Add(1)
	text := oneLine(e.Text)
	switch {
	case e.Malformed:
		return &refusal{tag: c.tag, reply: "BAD " + text}
	case e.Banned:
		return &refusal{tag: c.tag, reply: "NO [UNAVAILABLE] " + text, fatal: true}
	case e.Temporary:
		return &refusal{tag: c.tag, reply: "NO [UNAVAILABLE] " + text}
	}
	return &refusal{tag: c.tag, reply: "NO [AUTHENTICATIONFAILED] " + text}
}

// oneLine makes a text fit to stand in a reply.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return ' '
		}
		return r
	}, s)
	if s == "" {
		return "Refused"
	}
	return s
}

func (d *door) client() mailbox.Client {
	return mailbox.Client{Addr: addrOf(d.conn), TLS: d.tls}
}

func addrOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// takeString takes an astring off the begin of s. Literals are quoted strings by then.
func takeString(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutWord(s)
		return value, rest, value != "" && !strings.ContainsAny(value, `(){%*"\`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
