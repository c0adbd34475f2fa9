package smtp

import "bytes"

// command carries out one command line.
func (c *serverConn) command(line []byte) {
	line = bytes.TrimRight(line, " \t") // tolerated by RFC 5321 4.1.1
	c.countCommand()
	if c.done {
		return
	}
	if foreignProtocol(line) {
		c.countError()
		c.end(replyForeign)
		return
	}
	verb, arg, _ := bytes.Cut(line, []byte{' '})
	upperASCII(verb)
	arg = bytes.TrimLeft(arg, " ")
	controls, wide := scanCommand(line)
	// MAIL and RCPT may have an address in UTF-8, and look for themselves; VRFY looks at nothing.
	if controls || wide && string(verb) != "MAIL" && string(verb) != "RCPT" && string(verb) != "VRFY" {
		reply := replyEightBit
		if controls {
			reply = replyControls
		}
		c.refuseUnread(verb, reply)
		return
	}
	if c.cfg.RequireTLS && c.info.TLS == nil && !allowedInClear(verb) {
		c.refuseUnread(verb, replyNeedTLS)
		return
	}
	c.dispatch(verb, arg)
}

// refuseUnread refuses a command without looking at its argument. The chunk of a BDAT can then
// not be told from commands, so that nothing may be read any more.
func (c *serverConn) refuseUnread(verb []byte, reply string) {
	if string(verb) == "BDAT" {
		c.countError()
		c.end(reply)
		return
	}
	c.refuse(reply)
}

func (c *serverConn) dispatch(verb, arg []byte) {
	switch string(verb) {
	case "MAIL":
		c.mail(arg)
	case "RCPT":
		c.rcpt(arg)
	case "DATA":
		c.withoutArgument(arg, c.data)
	case "BDAT":
		c.bdat(arg)
	case "EHLO":
		c.hello(arg, true)
	case "HELO":
		c.hello(arg, false)
	case "RSET":
		c.withoutArgument(arg, c.rset)
	case "NOOP":
		c.say(replyOK)
	case "QUIT":
		c.withoutArgument(arg, c.quit)
	case "STARTTLS":
		c.withoutArgument(arg, c.startTLS)
	case "AUTH":
		c.auth(arg)
	case "VRFY":
		c.vrfy(arg)
	case "HELP":
		c.say(replyHelp)
	case "EXPN", "ETRN", "TURN", "SEND", "SOML", "SAML":
		c.refuse(replyNotImplemented)
	default:
		c.refuse(replyUnknown)
	}
}

// withoutArgument runs a command that takes no argument.
func (c *serverConn) withoutArgument(arg []byte, run func()) {
	if len(arg) > 0 {
		c.refuse(replyNoArgument)
		return
	}
	run()
}

func (c *serverConn) quit() {
	c.say(replyBye)
	c.done = true
}

func (c *serverConn) rset() {
	c.resetTransaction()
	c.say(replyOK)
}

func (c *serverConn) vrfy(arg []byte) {
	if len(arg) == 0 {
		c.refuse(replySyntaxVrfy)
		return
	}
	c.say(replyVrfy)
}

// countCommand ends sessions that keep us busy without sending mail.
func (c *serverConn) countCommand() {
	c.srv.metrics.commands.Add(1)
	if c.commands++; c.commands > c.cfg.MaxCommands {
		c.end(replyTooManyCommands)
	}
}

// allowedInClear lists what RFC 3207 4 asks to be allowed before STARTTLS when TLS is required.
func allowedInClear(verb []byte) bool {
	switch string(verb) {
	case "EHLO", "HELO", "NOOP", "RSET", "QUIT", "STARTTLS", "HELP":
		return true
	}
	return false
}

// foreignProtocol tells whether a line is the beginning of another protocol: a browser or a
// confused proxy made to talk to us. Such a client is cut off at once, before the lines of an HTTP
// header or body that an attacker wrote can be taken for commands.
func foreignProtocol(line []byte) bool {
	word, _, ok := bytes.Cut(line, []byte{' '})
	if !ok {
		return bytes.HasPrefix(line, []byte("SSH-"))
	}
	switch string(word) {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI", "PROXY":
		return true
	}
	return len(word) > 1 && word[len(word)-1] == ':' // a header field, "Host: ..."
}

// scanCommand tells whether line has control characters, and whether it has bytes beyond ASCII.
func scanCommand(line []byte) (controls, wide bool) {
	for _, b := range line {
		if b < ' ' || b == 0x7f {
			controls = true
		}
		if b >= 0x80 {
			wide = true
		}
	}
	return controls, wide
}

// upperASCII turns b to upper case, in place.
func upperASCII(b []byte) {
	for i, ch := range b {
		if 'a' <= ch && ch <= 'z' {
			b[i] = ch - 'a' + 'A'
		}
	}
}
