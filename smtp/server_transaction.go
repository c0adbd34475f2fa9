package smtp

import (
	"bytes"
	"errors"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/posthaste-mta/posthaste/message"
)

// mail answers MAIL FROM (RFC 5321 4.1.1.2).
func (c *serverConn) mail(arg []byte) {
	switch {
	case c.info.HELO == "":
		c.refuse(replyNeedHelo)
		return
	case c.tx.open:
		c.refuse(replyNested)
		return
	case c.srv.stopping.Load():
		c.end(replyShutdown)
		return
	}
	arg, ok := cutKeyword(arg, "FROM:")
	if !ok {
		c.refuse(replySyntaxMail)
		return
	}
	mailbox, params, err := splitPath(arg)
	if err != nil {
		c.refuse(replySender)
		return
	}
	opts := new(gosmtp.MailOptions)
	offered := mailParameters{
		utf8: !c.cfg.DisableSMTPUTF8, dsn: !c.cfg.DisableDSN, auth: c.authOffered(),
		requireTLS: c.cfg.EnableREQUIRETLS && c.info.TLS != nil,
	}
	if failed, err := offered.parse(params, opts); err != nil {
		c.refuseParameter(failed, err)
		return
	}
	if opts.Size > c.cfg.MaxMessageBytes {
		c.refuse(replyTooBig)
		return
	}
	if !c.cfg.Memory.allows(opts.Size) {
		c.refuseMemory()
		return
	}
	from := string(mailbox)
	if from != "" && !c.checkMailbox(from, opts.UTF8, replySender) {
		return
	}
	if opts.Auth != nil && !c.info.Authenticated {
		*opts.Auth = "" // a stranger's word for who sent it counts as none (RFC 4954 5)
	}
	c.info.UTF8 = opts.UTF8
	if !c.answer(c.session.Mail(from, opts), replyMailOK) {
		c.info.UTF8 = false
		return
	}
	c.tx = serverTransaction{open: true, declared: opts.Size, ends: time.Now().Add(c.cfg.TransactionTimeout)}
}

// surplusRcpts is how many recipients beyond MaxRecipients a client may try before they count as
// errors: one that sends them all in one batch cannot know better, and must not lose those that
// were accepted by having its session ended.
const surplusRcpts = 1000

// rcpt answers RCPT TO (RFC 5321 4.1.1.3).
func (c *serverConn) rcpt(arg []byte) {
	switch {
	case !c.tx.open:
		c.refuse(replyNeedMail)
		return
	case c.tx.chunked:
		c.refuse(replyChunksBegan)
		return
	case c.tx.rcpts >= c.cfg.MaxRecipients:
		c.commands--
		if c.surplus++; c.surplus > surplusRcpts {
			c.refuse(replyTooManyRcpts)
			return
		}
		c.say(replyTooManyRcpts)
		return
	}
	arg, ok := cutKeyword(arg, "TO:")
	if !ok {
		c.refuse(replySyntaxRcpt)
		return
	}
	mailbox, params, err := splitPath(arg)
	if err != nil || len(mailbox) == 0 {
		c.refuse(replyRecipient)
		return
	}
	opts := new(gosmtp.RcptOptions)
	if c.cfg.DisableDSN && len(bytes.TrimSpace(params)) > 0 {
		c.refuseNaming(replyUnknownParameter, bytes.TrimSpace(params))
		return
	}
	if failed, err := parseRcptParameters(params, c.info.UTF8, opts); err != nil {
		c.refuseParameter(failed, err)
		return
	}
	to := string(mailbox)
	if bytes.EqualFold(mailbox, []byte("postmaster")) {
		to += "@" + c.cfg.Hostname // always ours, also without a domain (RFC 5321 4.5.1)
	}
	if !c.checkMailbox(to, c.info.UTF8, replyRecipient) {
		return
	}
	if c.answer(c.session.Rcpt(to, opts), replyRcptOK) {
		c.tx.rcpts++
		c.commands--
	}
}

// checkMailbox refuses what is no mailbox, and a mailbox beyond ASCII without SMTPUTF8.
func (c *serverConn) checkMailbox(mailbox string, utf8 bool, reply string) bool {
	_, err := message.ParseAddress(mailbox, utf8)
	if err == nil {
		return true
	}
	if !utf8 && !c.cfg.DisableSMTPUTF8 {
		if _, err := message.ParseAddress(mailbox, true); err == nil {
			reply = replyNonASCII
		}
	}
	c.refuse(reply)
	return false
}

func (c *serverConn) refuseParameter(keyword []byte, err error) {
	switch {
	case errors.Is(err, errUnknownParameter):
		c.refuseNaming(replyUnknownParameter, keyword)
	case errors.Is(err, errSizeOverflow):
		c.refuse(replyTooBig)
	default:
		c.refuseNaming(replyParameter, keyword)
	}
}

// resetTransaction drops the transaction under way.
func (c *serverConn) resetTransaction() {
	c.in.endContent()
	c.session.Reset()
	c.tx = serverTransaction{}
	c.surplus = 0
	c.info.UTF8 = false
}
