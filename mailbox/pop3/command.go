package pop3

import "bytes"

// longestKeyword is that of RFC 1939 3.
const longestKeyword = 4

// parseCommand takes a line apart: the keyword in capitals and what is behind one space. The keyword is
// "" if there can be no such command. line is changed.
func parseCommand(line []byte) (keyword string, arg []byte) {
	word, arg, _ := bytes.Cut(line, []byte{' '})
	if len(word) > longestKeyword {
		return "", arg
	}
	upperASCII(word)
	return string(word), arg
}

// command carries out one command line.
func (c *conn) command(line []byte) {
	c.srv.metrics.commands.Add(1)
	if c.commands++; c.commands > c.maxCommands() {
		c.end(replyTooMany)
		return
	}
	keyword, arg := parseCommand(line)
	if hasControls(line) {
		c.refuse(replyControls)
		return
	}
	if keyword != "PASS" { // a secret may end in a space
		arg = bytes.TrimRight(arg, " ")
	}
	switch {
	case c.drop != nil && c.owner.Check() != nil:
		c.end(replyLoginEnded)
	case keyword == "CAPA":
		c.withoutArgument(arg, c.capa)
	case c.drop == nil:
		c.authorization(keyword, arg)
	default:
		c.transaction(keyword, arg)
	}
}

func (c *conn) maxCommands() int {
	if c.drop == nil {
		return c.cfg.MaxCommands
	}
	return c.cfg.MaxCommands + commandsPerMessage*len(c.drop.entries)
}

// authorization carries out a command before the login (RFC 1939 4).
func (c *conn) authorization(keyword string, arg []byte) {
	switch keyword {
	case "USER":
		c.user(arg)
	case "PASS":
		c.pass(arg)
	case "AUTH":
		c.auth(arg)
	case "STLS":
		c.withoutArgument(arg, c.stls)
	case "UTF8":
		c.withoutArgument(arg, c.utf8Mode)
	case "QUIT":
		c.withoutArgument(arg, c.quit)
	case "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "NOOP", "RSET":
		c.refuse(replyNotBefore)
	default:
		c.refuse(replyUnknown)
	}
}

// transaction carries out a command after the login (RFC 1939 5).
func (c *conn) transaction(keyword string, arg []byte) {
	switch keyword {
	case "STAT":
		c.withoutArgument(arg, c.stat)
	case "LIST":
		c.list(arg)
	case "UIDL":
		c.uidl(arg)
	case "RETR":
		c.retr(arg)
	case "TOP":
		c.top(arg)
	case "DELE":
		c.dele(arg)
	case "NOOP":
		c.withoutArgument(arg, func() { c.say(replyOK) })
	case "RSET":
		c.withoutArgument(arg, c.rset)
	case "QUIT":
		c.withoutArgument(arg, c.update)
	case "USER", "PASS", "AUTH", "STLS", "UTF8":
		c.refuse(replyNotAfter)
	default:
		c.refuse(replyUnknown)
	}
}

// withoutArgument runs a command that takes no argument.
func (c *conn) withoutArgument(arg []byte, run func()) {
	if len(arg) > 0 {
		c.refuse(replyNoArgument)
		return
	}
	run()
}

// quit is QUIT before the login.
func (c *conn) quit() {
	c.say(replyBye)
	c.done = true
}

// utf8Mode answers UTF8 (RFC 6856 2.1). Messages go out as they are either way. The RFC would have one with
// UTF-8 in its header rewritten for a client that has not said UTF8, or refused with [UTF8]; but hardly any
// client says it, those in use read UTF-8 all the same, and a message that cannot be fetched stops many of
// them from fetching those behind it.
func (c *conn) utf8Mode() {
	c.utf8 = true
	c.say(replyUTF8)
}

// parseNumber reads a decimal number without sign; what does not fit is more than any maildrop has.
func parseNumber(arg []byte) (n int, ok bool) {
	const most = 1 << 31
	for _, b := range arg {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = min(n*10+int(b-'0'), most)
	}
	return n, len(arg) > 0
}

func hasControls(line []byte) bool {
	return bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// upperASCII turns b to upper case, in place.
func upperASCII(b []byte) {
	for i, ch := range b {
		if 'a' <= ch && ch <= 'z' {
			b[i] = ch - 'a' + 'A'
		}
	}
}
