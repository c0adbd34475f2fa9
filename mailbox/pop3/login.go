package pop3

import (
	"context"
	"errors"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"go.uber.org/zap"
)

// user answers USER (RFC 1939 7). It never tells whether there is such a name.
func (c *conn) user(arg []byte) {
	switch {
	case !c.passwordAllowed():
	case len(arg) == 0:
		c.refuse(replySyntaxUser)
	default:
		c.name = string(arg)
		c.say(replyName)
	}
}

// pass answers PASS (RFC 1939 7). Its argument is all that is behind the space.
func (c *conn) pass(arg []byte) {
	name := c.name
	c.name = ""
	switch {
	case !c.passwordAllowed():
		return
	case name == "":
		c.refuse(replyNeedUser)
		return
	case len(arg) == 0:
		c.refuse(replySyntaxPass)
		return
	}
	ctx, cancel := context.WithDeadline(c.ctx, c.loginBy)
	defer cancel()
	owner, err := c.cfg.Logins.Password(ctx, c.client(), name, string(arg))
	if err != nil {
		c.loginFailed(err)
		return
	}
	c.enter(owner)
}

func (c *conn) client() mailbox.Client { return mailbox.Client{Addr: c.addr, TLS: c.tls} }

// passwordAllowed refuses USER and PASS where a secret must not be sent this way.
func (c *conn) passwordAllowed() bool {
	switch {
	case passwords(c.cfg.Logins.Mechanisms(c.tls)):
		return true
	case c.tls == nil && c.srv.tls != nil:
		c.refuse(replyNeedTLS)
	default:
		c.refuse(replyNoLogin)
	}
	return false
}

// maxLoginText bounds the text of a refused login; with the code a line stays within 512 bytes (RFC 2449 4).
const maxLoginText = 400

// loginFailed says why, no more than the Logins have said.
func (c *conn) loginFailed(err error) {
	c.srv.metrics.loginFailures.Add(1)
	c.failedLogins++
	reply := replyLocalError
	var e *mailbox.LoginError
	if errors.As(err, &e) {
		code := "[AUTH] "
		switch {
		case e.Temporary || e.Banned:
			code = "[SYS/TEMP] "
		case e.Malformed:
			code = ""
		}
		reply = "-ERR " + code + message.CleanLine(e.Text, maxLoginText) + "\r\n"
	} else {
		c.cfg.Log.Error("a login could not be checked", zap.Error(err))
	}
	if c.failedLogins >= c.cfg.MaxLogins || e != nil && e.Banned {
		c.end(reply)
		return
	}
	c.say(reply)
}

// enter opens the maildrop of who has logged in (RFC 1939 4). Where that fails, another login may be tried.
func (c *conn) enter(owner mailbox.Owner) {
	drop, err := c.srv.open(c.ctx, owner.Account())
	switch {
	case err == nil:
	case errors.Is(err, mailbox.ErrInUse):
		c.srv.metrics.inUse.Add(1)
		c.say(replyInUse)
		return
	case errors.Is(err, mailbox.ErrNoAccount), errors.Is(err, mailbox.ErrNoFolder):
		c.say(replyNoMailbox)
		return
	default:
		c.storeFailed("opening the maildrop", owner.Account(), err)
		c.say(replyLocalError)
		return
	}
	c.owner, c.drop = owner, drop
	c.srv.metrics.logins.Add(1)
	c.srv.metrics.sessions.Add(1)
	c.sayMaildrop(replyMaildrop)
}

func (c *conn) storeFailed(what, account string, err error) {
	c.srv.metrics.storeFailures.Add(1)
	c.cfg.Log.Error(what+" failed", zap.String("account", account), zap.Error(err))
}
