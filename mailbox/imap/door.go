package imap

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// maxErrorsOutside is how many commands of a client that has not logged in may be wrong.
const maxErrorsOutside = 10

// errBye ends a connection whose client has been told why.
var errBye = errors.New("connection ends")

// door speaks with a client that has not logged in (RFC 9051 3.1, 6.2). The library is not asked: it
// answers SCRAM wrongly, waits for ever at a long literal, and is not for strangers.
type door struct {
	*link
	srv    *Server
	errors int
}

// open greets and returns who has logged in. The error ends the connection.
func (d *door) open() (mailbox.Owner, error) {
	d.until = time.Now().Add(d.cfg.LoginTimeout)
	defer func() { d.until = time.Time{} }()
	if err := d.reply("* OK [CAPABILITY " + d.capabilities() + "] " + d.cfg.Hostname + " IMAP ready"); err != nil {
		return nil, err
	}
	for {
		if err := d.wait(d.until); err != nil {
			if err == errDraining {
				_ = d.reply("* BYE Server ends")
			} else {
				_ = d.reply("* BYE Too slow") // unless the client has gone
			}
			return nil, err
		}
		c, err := readCommand(d.link, 0)
		if err == nil {
			var owner mailbox.Owner
			if owner, err = d.obey(c); owner != nil {
				return owner, err
			}
		}
		var r *refusal
		if errors.As(err, &r) {
			err = d.refuse(r)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (d *door) refuse(r *refusal) error {
	tag := r.tag
	if tag == "" {
		tag = "*"
	}
	if err := d.reply(tag + " " + r.reply); err != nil {
		return err
	}
	if d.errors++; r.fatal || d.errors >= maxErrorsOutside {
		_ = d.reply("* BYE Connection ends") // and that is that
		return errBye
	}
	return nil
}

// obey carries a command out. Owner is set when one has logged in.
func (d *door) obey(c *command) (mailbox.Owner, error) {
	switch c.name {
	case "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS":
		if strings.TrimSpace(c.args) != "" {
			return nil, &refusal{tag: c.tag, reply: "BAD No arguments belong here"}
		}
	}
	switch c.name {
	case "CAPABILITY":
		return nil, d.reply("* CAPABILITY " + d.capabilities() + "\r\n" + c.tag + " OK CAPABILITY completed")
	case "NOOP":
		return nil, d.reply(c.tag + " OK NOOP completed")
	case "ID":
		return nil, d.reply(d.srv.identity() + "\r\n" + c.tag + " OK ID completed")
	case "LOGOUT":
		_ = d.reply("* BYE Logging out\r\n" + c.tag + " OK LOGOUT completed") // unless the client has gone
		return nil, errBye
	case "STARTTLS":
		return nil, d.startTLS(c)
	case "LOGIN":
		return d.login(c)
	case "AUTHENTICATE":
		return d.authenticate(c)
	}
	if d.srv.known(c.name) {
		return nil, &refusal{tag: c.tag, reply: "BAD Log in first"}
	}
	// A browser that was sent here speaks HTTP; nothing it says may be taken for a command.
	return nil, &refusal{tag: c.tag, reply: "BAD Unknown command", fatal: true}
}

// capabilities lists what holds before login.
func (d *door) capabilities() string {
	caps := []string{"IMAP4rev2", "IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "ENABLE"}
	if d.offersTLS() {
		caps = append(caps, "STARTTLS")
	}
	mechanisms := d.cfg.Logins.Mechanisms(d.tls)
	if len(mechanisms) == 0 {
		return strings.Join(append(caps, "LOGINDISABLED"), " ")
	}
	for _, m := range mechanisms {
		caps = append(caps, "AUTH="+m)
	}
	return strings.Join(caps, " ")
}

func (d *door) offersTLS() bool {
	return d.tls == nil && d.cfg.TLS != nil && (d.cfg.TLSReady == nil || d.cfg.TLSReady())
}

func (d *door) startTLS(c *command) error {
	switch {
	case d.tls != nil:
		return &refusal{tag: c.tag, reply: "BAD TLS is in use already"}
	case !d.offersTLS():
		return &refusal{tag: c.tag, reply: "NO [UNAVAILABLE] No TLS now"}
	case d.in.Buffered() > 0:
		// Sent before the handshake, it may be anybody's (CVE-2011-0411).
		return &refusal{tag: c.tag, reply: "BAD Something follows STARTTLS in clear", fatal: true}
	}
	if err := d.reply(c.tag + " OK Begin TLS negotiation now"); err != nil {
		return err
	}
	return d.link.startTLS(d.srv.ctx)
}

func (d *door) reply(text string) error {
	if err := d.write([]byte(text + "\r\n")); err != nil {
		return err
	}
	return d.flush()
}

// welcome tells a client that it has logged in.
func (d *door) welcome(c *command) error {
	return d.write([]byte(fmt.Sprintf("%s OK [CAPABILITY %s] Logged in\r\n", c.tag, d.srv.capabilities())))
}
