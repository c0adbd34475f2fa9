package imap

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// maxCommand bounds a command with its literals, without the message of an APPEND. RFC 7162 4 wants 8000
	// octets at least; the library takes 50 KiB.
	maxCommand = 48 << 10
	// maxLiteral bounds a literal other than a message.
	maxLiteral = 4 << 10
	// maxSwallow is how much of a refused non-synchronizing literal is read to go on behind it.
	maxSwallow = 1 << 20
)

// command is a whole command, but for the message of an APPEND.
type command struct {
	tag  string
	name string // in capitals; that of a UID command begins with "UID "
	args string // what follows, as one line: literals are quoted strings here

	// message is set if an APPEND's message follows, of that many octets.
	message   bool
	size      int64
	sync      bool // the client waits for our leave
	inBracket bool // UTF8 (~{n}: a closing bracket follows it
}

// refusal is what is wrong with a command. A fatal one ends the connection.
type refusal struct {
	tag   string // empty: not known
	reply string // as it follows the tag: BAD ...
	fatal bool
}

func (r *refusal) Error() string { return r.reply }

// readCommand reads the next command. The error is a *refusal or that of the connection.
func readCommand(l *link, messageLimit int64) (*command, error) {
	line, err := l.line(maxCommand)
	if err == errLineTooLong {
		return nil, &refusal{reply: "BAD Line too long", fatal: true}
	} else if err != nil {
		return nil, err
	}
	c, rest, err := splitCommand(line)
	if err != nil {
		return nil, err
	}
	args := []byte(rest)
	for from := 0; ; {
		lit, err := scanLine(c.tag, args[from:])
		if err != nil || lit == nil {
			c.args = string(args)
			return c, err
		}
		args = args[:from+lit.at]
		if c.takesMessage(args) {
			c.args = string(args)
			return c, c.announce(l, lit, messageLimit)
		}
		if args, err = readLiteral(l, c.tag, args, lit); err != nil {
			return nil, err
		}
		from = len(args)
		if line, err = l.line(maxCommand); err == errLineTooLong || len(args)+len(line) > maxCommand {
			return nil, &refusal{tag: c.tag, reply: "BAD Command too long", fatal: true}
		} else if err != nil {
			return nil, err
		}
		args = append(args, line...)
	}
}

// splitCommand takes tag and name off a line. The rest begins with the space behind the name.
func splitCommand(line []byte) (*command, string, error) {
	tag, rest, _ := strings.Cut(string(line), " ")
	if !isTag(tag) {
		return nil, "", &refusal{reply: "BAD Not a tag"}
	}
	name, args := cutWord(rest)
	c := &command{tag: tag, name: strings.ToUpper(name)}
	if c.name == "UID" {
		name, args = cutWord(strings.TrimPrefix(args, " "))
		c.name = "UID " + strings.ToUpper(name)
	}
	if name == "" {
		return nil, "", &refusal{tag: tag, reply: "BAD No command"}
	}
	return c, args, nil
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// isTag tells whether s is a tag (RFC 9051 9): any ASTRING-CHAR but a plus.
func isTag(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// literal is the announcement of a literal at the end of a line.
type literal struct {
	at   int // where it begins in the line
	size int64
	sync bool
	raw  bool // literal8
}

// scanLine looks at a line of a command, from its begin or from behind a literal, and returns the literal that
// it ends with. A quoted string ends in its line; the library would take one that does not for
// the next command's as well.
func scanLine(tag string, line []byte) (*literal, error) {
	quoted, open := false, -1
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == 0 || c == '\r':
			return nil, &refusal{tag: tag, reply: "BAD NUL or CR in a command"}
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == '{':
			open = i
		}
	}
	if quoted {
		return nil, &refusal{tag: tag, reply: "BAD Quoted string without end"}
	}
	if open < 0 {
		return nil, nil
	}
	inner, ok := bytes.CutSuffix(line[open+1:], []byte("}"))
	if !ok {
		return nil, &refusal{tag: tag, reply: "BAD Brace that begins no literal"}
	}
	lit := &literal{at: open, sync: true}
	if digits, ok := bytes.CutSuffix(inner, []byte("+")); ok {
		inner, lit.sync = digits, false
	}
	size, err := strconv.ParseUint(string(inner), 10, 62)
	if err != nil {
		return nil, &refusal{tag: tag, reply: "BAD Size of a literal", fatal: true}
	}
	lit.size = int64(size)
	if open > 0 && line[open-1] == '~' {
		lit.at, lit.raw = open-1, true
	}
	return lit, nil
}

// readLiteral reads a small literal and puts it behind args as a quoted string. It holds no line end then: on
// an error the library drops the rest of the line, and would go on in the midst of the literal.
func readLiteral(l *link, tag string, args []byte, lit *literal) ([]byte, error) {
	switch {
	case lit.raw:
		return nil, skipLiteral(l, lit, &refusal{tag: tag, reply: "BAD Binary literal where none belongs"})
	case lit.size > maxLiteral:
		return nil, skipLiteral(l, lit, &refusal{tag: tag, reply: fmt.Sprintf("NO [TOOBIG] Literals are limited to %d octets here", maxLiteral)})
	case len(args)+2*int(lit.size) > maxCommand:
		return nil, &refusal{tag: tag, reply: "BAD Command too long", fatal: true}
	}
	if lit.sync {
		if err := l.goAhead(); err != nil {
			return nil, err
		}
	}
	content := make([]byte, lit.size)
	for got := 0; got < len(content); {
		n, err := l.read(content[got:])
		if err != nil {
			return nil, err
		}
		got += n
	}
	if bytes.ContainsAny(content, "\x00\r\n") {
		// The rest of the command is still to come; it must not be taken for another.
		if line, err := l.line(maxCommand); err != nil || bytes.HasSuffix(line, []byte("}")) {
			return nil, &refusal{tag: tag, reply: "BAD Line end or NUL in a string", fatal: true}
		}
		return nil, &refusal{tag: tag, reply: "BAD Line end or NUL in a string"}
	}
	return appendQuoted(args, content), nil
}

func appendQuoted[S string | []byte](b []byte, s S) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// goAhead lets the client send a synchronizing literal.
func (l *link) goAhead() error {
	if err := l.write([]byte("+ Ready\r\n")); err != nil {
		return err
	}
	return l.flush()
}

// skipLiteral gets past a literal that is refused, if the client sends it without leave.
func skipLiteral(l *link, lit *literal, r *refusal) error {
	if lit.sync {
		return r
	}
	if lit.size > maxSwallow {
		r.fatal = true
		return r
	}
	if _, err := io.CopyN(io.Discard, readerFunc(l.read), lit.size); err != nil {
		return err
	}
	line, err := l.line(maxCommand)
	if err != nil || bytes.HasSuffix(line, []byte("}")) { // another literal: too much trouble
		r.fatal = true
	}
	return r
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// takesMessage tells whether the literal behind args is the message of an APPEND, not its folder.
func (c *command) takesMessage(args []byte) bool {
	return c.name == "APPEND" && len(bytes.TrimSpace(args)) > 0
}

// announce notes the message that follows an APPEND.
func (c *command) announce(l *link, lit *literal, limit int64) error {
	if lit.size > limit {
		return skipLiteral(l, lit, &refusal{tag: c.tag, reply: fmt.Sprintf("NO [TOOBIG] Messages are limited to %d octets", limit)})
	}
	c.message, c.size, c.sync = true, lit.size, lit.sync
	c.inBracket = strings.HasSuffix(c.args, "(")
	if lit.raw {
		c.args += "~"
	}
	return nil
}

// text is the command as the library gets it. Its message is announced as non-synchronizing: the leave was
// given by us.
func (c *command) text() []byte {
	b := make([]byte, 0, len(c.tag)+len(c.name)+len(c.args)+32)
	b = append(b, c.tag...)
	b = append(b, ' ')
	b = append(b, c.name...)
	b = append(b, c.args...)
	if c.message {
		b = append(b, '{')
		b = strconv.AppendInt(b, c.size, 10)
		b = append(b, "+}"...)
	}
	return append(b, "\r\n"...)
}
