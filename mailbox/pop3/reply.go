package pop3

import "strconv"

// The replies, as they go over the wire. A word in brackets is a response code (RFC 2449 8, RFC 3206).
const (
	replyOK         = "+OK\r\n"
	replyName       = "+OK Say PASS\r\n"
	replyBye        = "+OK Bye\r\n"
	replyCapa       = "+OK Capability list follows\r\n"
	replyMechanisms = "+OK Mechanisms follow\r\n"
	replyUIDL       = "+OK Unique ids follow\r\n"
	replyTop        = "+OK Top of message follows\r\n"
	replyMarked     = "+OK Marked as deleted\r\n"
	replyUTF8       = "+OK UTF-8 it is\r\n"
	replyStartTLS   = "+OK Begin TLS\r\n"
	replyMaildrop   = "+OK Maildrop has " // and the rest of the line
	replyListEnd    = ".\r\n"

	replyUnknown     = "-ERR Unknown command\r\n"
	replyControls    = "-ERR Control characters are not allowed in commands\r\n"
	replyLineTooLong = "-ERR Line too long, closing the connection\r\n"
	replyNoArgument  = "-ERR No argument is allowed\r\n"
	replySyntaxUser  = "-ERR Syntax: USER name\r\n"
	replySyntaxPass  = "-ERR Syntax: PASS secret\r\n"
	replySyntaxAuth  = "-ERR Syntax: AUTH mechanism [initial-response]\r\n"
	replySyntaxOne   = "-ERR Syntax: command number\r\n"
	replySyntaxTop   = "-ERR Syntax: TOP number lines\r\n"
	replyNotBefore   = "-ERR Log in first\r\n"
	replyNotAfter    = "-ERR Only before the login\r\n"
	replyNeedUser    = "-ERR Say USER first\r\n"
	replyNeedTLS     = "-ERR No login in clear: say STLS first\r\n"
	replyNoLogin     = "-ERR No login with USER and PASS here: see CAPA\r\n"
	replyMechanism   = "-ERR Mechanism unknown\r\n"
	replyBase64      = "-ERR Invalid base64\r\n"
	replyCancelled   = "-ERR Authentication cancelled\r\n"
	replyAuthFailed  = "-ERR [AUTH] Authentication failed\r\n"

	replyNoTLS     = "-ERR No TLS here\r\n"
	replyTwiceTLS  = "-ERR TLS is active already\r\n"
	replyNoTLSYet  = "-ERR [SYS/TEMP] TLS not available, try again later\r\n"
	replyUTF8First = "-ERR Too late, UTF8 was said\r\n"
	replyBehindTLS = "-ERR Commands behind STLS, closing the connection\r\n"
	replyForeign   = "-ERR This port begins in clear, closing the connection\r\n"

	replyNoMessage = "-ERR No such message\r\n"
	replyDeleted   = "-ERR Message is marked as deleted\r\n"
	replyGone      = "-ERR Message was removed by another session\r\n"

	replyInUse       = "-ERR [IN-USE] Another session has this maildrop\r\n"
	replyNoMailbox   = "-ERR [SYS/PERM] No mailbox belongs to this login\r\n"
	replyLocalError  = "-ERR [SYS/TEMP] Local error, try again later\r\n"
	replyNoMemory    = "-ERR [SYS/TEMP] Out of memory for messages, try again later\r\n"
	replyNotRemoved  = "-ERR [SYS/TEMP] No message was removed\r\n"
	replyLoginEnded  = "-ERR [SYS/TEMP] This login is not valid any more, closing the connection\r\n"
	replyConnections = "-ERR [SYS/TEMP] Too many connections, try again later\r\n"
	replyTooMany     = "-ERR [SYS/TEMP] Too many commands, closing the connection\r\n"
	replyErrors      = "-ERR Too many errors, closing the connection\r\n"
)

// say adds a reply to those that the next write sends. An error shows up again in the next flush.
func (c *conn) say(reply string) { _, _ = c.out.WriteString(reply) }

// sayNumbers adds "a b" and reply behind it.
func (c *conn) sayNumbers(a, b int64, reply string) {
	line := strconv.AppendInt(c.out.AvailableBuffer(), a, 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, b, 10)
	line = append(line, reply...)
	_, _ = c.out.Write(line)
}

// refuse says an error reply to a command that breaks the protocol, and ends the session after too many.
func (c *conn) refuse(reply string) {
	c.countError()
	if c.errors > c.cfg.MaxErrors {
		reply = replyErrors
		c.done, c.linger = true, true
		c.ending = "errors"
	}
	c.say(reply)
}

func (c *conn) countError() {
	c.srv.metrics.errors.Add(1)
	c.errors++
}

// end says a last word.
func (c *conn) end(reply string) {
	c.say(reply)
	c.done, c.linger = true, true
	if c.ending == "" {
		c.ending = "refused"
	}
}
