package smtp

import (
	"errors"
	"strconv"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
)

// The replies of the server, as they go over the wire.
const (
	replyMailOK   = "250 2.1.0 Ok\r\n"
	replyRcptOK   = "250 2.1.5 Ok\r\n"
	replyOK       = "250 2.0.0 Ok\r\n"
	replySendData = "354 End data with <CR><LF>.<CR><LF>\r\n"
	replyBye      = "221 2.0.0 Bye\r\n"
	replyHelp     = "214 2.0.0 See RFC 5321\r\n"
	replyVrfy     = "252 2.0.0 Cannot verify; send mail to find out\r\n"
	replyStartTLS = "220 2.0.0 Ready to start TLS\r\n"
	replyAuthOK   = "235 2.7.0 Authentication succeeded\r\n"

	replyTimeout         = "421 4.4.2 Timeout, closing the connection\r\n"
	replyShutdown        = "421 4.3.2 Shutting down, try again later\r\n"
	replyPanic           = "421 4.3.0 Internal error, closing the connection\r\n"
	replyNoSession       = "421 4.3.0 Not available, try again later\r\n"
	replyConnections     = "421 4.7.0 Too many connections, try again later\r\n"
	replyTooManyErrors   = "421 4.7.0 Too many errors, closing the connection\r\n"
	replyTooManyCommands = "421 4.7.0 Too many commands without mail, closing the connection\r\n"
	replyLocalError      = "451 4.3.0 Local error, try again later\r\n"
	replyNoMemory        = "452 4.3.1 Out of memory for messages, try again later\r\n"
	replyNoTLSYet        = "454 4.7.0 TLS not available, try again later\r\n"
	replyTooManyRcpts    = "452 4.5.3 Too many recipients\r\n"

	replyUnknown          = "500 5.5.2 Command unknown\r\n"
	replyLineTooLong      = "500 5.5.2 Command line too long\r\n"
	replyControls         = "500 5.5.2 Control characters are not allowed in commands\r\n"
	replyEightBit         = "500 5.5.2 Only ASCII is allowed in this command\r\n"
	replyAuthLine         = "500 5.5.6 Authentication line too long\r\n"
	replySyntaxHelo       = "501 5.5.4 Syntax: EHLO hostname\r\n"
	replySyntaxMail       = "501 5.5.4 Syntax: MAIL FROM:<address> [parameters]\r\n"
	replySyntaxRcpt       = "501 5.5.4 Syntax: RCPT TO:<address> [parameters]\r\n"
	replySyntaxBdat       = "501 5.5.4 Syntax: BDAT size [LAST]\r\n"
	replySyntaxAuth       = "501 5.5.4 Syntax: AUTH mechanism [initial-response]\r\n"
	replySyntaxVrfy       = "501 5.5.4 Syntax: VRFY address\r\n"
	replyNoArgument       = "501 5.5.4 No argument is allowed\r\n"
	replySender           = "501 5.1.7 Bad sender address syntax\r\n"
	replyRecipient        = "501 5.1.3 Bad recipient address syntax\r\n"
	replyParameter        = "501 5.5.4 Bad parameter: "
	replyBase64           = "501 5.5.2 Invalid base64\r\n"
	replyAuthCancelled    = "501 5.7.0 Authentication cancelled\r\n"
	replyNotImplemented   = "502 5.5.1 Command not implemented\r\n"
	replyNeedHelo         = "503 5.5.1 Say EHLO first\r\n"
	replyNeedMail         = "503 5.5.1 Say MAIL first\r\n"
	replyNeedRcpt         = "503 5.5.1 No valid recipients\r\n"
	replyNested           = "503 5.5.1 A transaction is open already\r\n"
	replyInTransaction    = "503 5.5.1 Not allowed within a transaction\r\n"
	replyChunksBegan      = "503 5.5.1 Not allowed after BDAT\r\n"
	replyTwiceTLS         = "503 5.5.1 TLS is active already\r\n"
	replyTwiceAuth        = "503 5.5.1 Authenticated already\r\n"
	replyMechanism        = "504 5.5.4 Authentication mechanism unknown\r\n"
	replyBareLF           = "521 5.5.2 Lines end with CR LF, not LF alone; closing the connection\r\n"
	replyNeedTLS          = "530 5.7.0 Say STARTTLS first\r\n"
	replyNeedAuth         = "530 5.7.0 Authentication required\r\n"
	replyAuthFailed       = "535 5.7.8 Authentication failed\r\n"
	replyAuthNeedsTLS     = "538 5.7.11 Encryption is required for authentication\r\n"
	replyBareContent      = "550 5.6.0 The message has a bare CR, a bare LF or a NUL\r\n"
	replyTooBig           = "552 5.3.4 Message too big\r\n"
	replyNonASCII         = "553 5.6.7 A non-ASCII address needs SMTPUTF8\r\n"
	replyTextLine         = "554 5.6.0 The message has a line of more than "
	replyForeign          = "554 5.5.1 This is an SMTP server; closing the connection\r\n"
	replyEarlyTalk        = "554 5.5.1 You must wait for the greeting; closing the connection\r\n"
	replyBehindStartTLS   = "554 5.5.1 Commands behind STARTTLS; closing the connection\r\n"
	replyUnknownParameter = "555 5.5.4 Unknown parameter: "
)

// maxHeldReplies bounds the replies that wait for a batch of commands to end.
const maxHeldReplies = 4096

// say adds a reply to those that the next write sends.
func (c *serverConn) say(reply string) {
	c.out = append(c.out, reply...)
	c.limitHeld()
}

// limitHeld writes the held replies when there are many. An error shows up again in the next read.
func (c *serverConn) limitHeld() {
	if len(c.out) > maxHeldReplies {
		_ = c.flush()
	}
}

// refuse says an error reply and ends the session after too many.
func (c *serverConn) refuse(reply string) {
	c.say(reply)
	c.countError()
}

// textLine is the reply to content with a line that is too long. It says what to do, because the author of a
// program that sends such lines is who gets to read it. Not 500, though RFC 5321 4.5.3.1.9 has it among its
// examples: after BDAT, clients take that for a server that does not know the command.
func (c *serverConn) textLine() string {
	return replyTextLine + strconv.Itoa(c.cfg.MaxLineLength) +
		" characters (RFC 5322 2.1.1): send it as quoted-printable or base64\r\n"
}

// maxNamed bounds how much of a client's word is said back to it.
const maxNamed = 40

// refuseNaming is refuse for a reply that ends in the client's own word.
func (c *serverConn) refuseNaming(reply string, word []byte) {
	c.out = append(c.out, reply...)
	c.out = appendReplyText(c.out, string(word[:min(len(word), maxNamed)]))
	c.out = append(c.out, "\r\n"...)
	c.countError()
}

func (c *serverConn) countError() {
	c.srv.metrics.errors.Add(1)
	c.errors++
	if c.errors > c.cfg.MaxErrors && !c.done {
		c.end(replyTooManyErrors)
	}
}

// answer says what a Session's method returned, or ok if it returned nil, and tells whether
// that was an acceptance.
func (c *serverConn) answer(err error, ok string) bool {
	if err == nil {
		c.say(ok)
		return true
	}
	if errors.Is(err, gosmtp.ErrAuthRequired) {
		c.refuse(replyNeedAuth)
		return false
	}
	var e *gosmtp.SMTPError
	if !errors.As(err, &e) || e.Code < 200 || e.Code > 599 || e.Code/100 == 3 {
		// The text of other errors may tell of our inside; it is not for strangers.
		c.refuse(replyLocalError)
		return false
	}
	c.out = appendSMTPError(c.out, e)
	c.limitHeld()
	if e.Code < 300 {
		return true
	}
	c.countError()
	if e.Code == 421 {
		c.done, c.linger = true, true
	}
	return false
}

// maxReplyText bounds the text of one reply line; with the codes a line stays within 512 bytes
// (RFC 5321 4.5.3.1.5).
const maxReplyText = 490

// appendSMTPError renders e. Its text may have several lines; what could end a line early or is
// not ASCII becomes "?".
func appendSMTPError(b []byte, e *gosmtp.SMTPError) []byte {
	text := e.Message
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		separator := byte(' ')
		if more {
			separator = '-'
		}
		b = strconv.AppendInt(b, int64(e.Code), 10)
		b = append(b, separator)
		b = appendEnhanced(b, e)
		b = appendReplyText(b, strings.TrimSuffix(line, "\r"))
		b = append(b, "\r\n"...)
	}
	return b
}

// appendEnhanced renders the enhanced code and a space (RFC 2034 4: on each line); x.0.0 when the
// Session gave none.
func appendEnhanced(b []byte, e *gosmtp.SMTPError) []byte {
	switch e.EnhancedCode {
	case gosmtp.NoEnhancedCode:
		return b
	case gosmtp.EnhancedCodeNotSet:
		b = strconv.AppendInt(b, int64(e.Code/100), 10)
		return append(b, ".0.0 "...)
	}
	for i, n := range e.EnhancedCode {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return append(b, ' ')
}

func appendReplyText(b []byte, s string) []byte {
	for i := 0; i < len(s) && i < maxReplyText; i++ {
		if s[i] < ' ' || s[i] > '~' {
			b = append(b, '?')
		} else {
			b = append(b, s[i])
		}
	}
	return b
}
