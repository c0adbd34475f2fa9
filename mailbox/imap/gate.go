package imap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// gate is the connection as the library sees it. It hands over one whole command at a time, and answers itself
// what the library would misread or does not know.
type gate struct {
	*link
	srv     *Server
	session *session
	onClose func()
	closing sync.Once

	// Of the goroutine that reads:
	command  *command // the one the library is at
	pending  []byte   // of it, not yet read by the library
	left     int64    // octets of its message, not yet read
	unsent   bool     // the message waits for our leave
	unwanted bool     // the client was not given leave, and the library reads filling
	tail     bool     // the line behind the message is still to be read
	answered bool     // the library has answered the command
	idling   bool     // DONE comes next
	errors   int
	pace     pacer
	greeted  bool // the library's greeting was swallowed; our own came long before
}

// Read hands the library its next octets.
func (g *gate) Read(p []byte) (int, error) {
	for len(g.pending) == 0 {
		switch {
		case g.answered && g.tail:
			if err := g.skipMessage(); err != nil {
				return 0, err
			}
		case g.left > 0:
			return g.readMessage(p)
		case g.tail:
			_ = g.endMessage() // the session has its error already
		default:
			if err := g.next(); err != nil {
				return 0, err
			}
		}
	}
	n := copy(p, g.pending)
	g.pending = g.pending[n:]
	return n, nil
}

// next gets the next command that is for the library. The error ends the connection.
func (g *gate) next() error {
	if g.idling {
		return g.nextIdle()
	}
	for {
		g.command, g.until = nil, time.Time{}
		if g.errors >= g.cfg.MaxErrors {
			_ = g.flush() // the client may be gone
			return io.EOF
		}
		if err := g.wait(time.Now().Add(g.cfg.IdleTimeout)); err != nil {
			return g.lost(err)
		}
		g.pace.wait(g.srv.ctx)
		c, err := readCommand(g.link, g.cfg.MaxMessageBytes)
		if err == nil {
			err = g.session.check()
		}
		if err == nil {
			err = g.take(c)
		}
		var r *refusal
		switch {
		case errors.As(err, &r):
			if err := g.refuse(r); err != nil {
				return err
			}
		case err != nil:
			return g.lost(err)
		case g.command != nil:
			return nil
		}
	}
}

// take hands a command to the library, or answers it.
func (g *gate) take(c *command) error {
	if answered, err := g.answer(c); answered || err != nil {
		return err
	}
	if !g.srv.known(c.name) {
		return &refusal{tag: c.tag, reply: "BAD Unknown command"}
	}
	if err := g.session.prepare(c); err != nil {
		return err
	}
	g.command, g.pending = c, c.text()
	g.left, g.tail = c.size, c.message
	g.unsent, g.unwanted, g.answered = c.message && c.sync, false, false
	g.idling = c.name == "IDLE"
	return nil
}

// nextIdle waits for the DONE of an IDLE. Changes are written meanwhile by another goroutine.
func (g *gate) nextIdle() error {
	if err := g.wait(time.Now().Add(g.cfg.IdleTimeout)); err != nil {
		return g.lost(err)
	}
	line, err := g.line(64)
	if err != nil {
		return g.lost(err)
	}
	g.idling = false
	if strings.EqualFold(string(line), "DONE") {
		line = []byte("DONE")
	}
	g.pending = append(append(g.pending[:0:0], line...), '\r', '\n')
	return nil
}

// lost tells the client why its connection ends, and the library that it has.
func (g *gate) lost(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, errDraining):
		_ = g.write([]byte("* BYE Server ends\r\n"))
	case errors.Is(err, errLogin):
		_ = g.write([]byte("* BYE Log in again\r\n"))
	case errors.As(err, &timeout) && timeout.Timeout():
		_ = g.write([]byte("* BYE Silent for too long\r\n"))
	case errors.Is(err, errLineTooLong):
		_ = g.write([]byte("* BYE Line too long\r\n"))
	}
	_ = g.flush() // the client may be gone
	return io.EOF
}

// refuse answers a command that is none. Too many of them end the connection.
func (g *gate) refuse(r *refusal) error {
	tag := r.tag
	if tag == "" {
		tag = "*"
	}
	g.errors++
	_ = g.write([]byte(tag + " " + r.reply + "\r\n")) // the next read tells
	if r.fatal || g.errors >= g.cfg.MaxErrors {
		_ = g.write([]byte("* BYE Connection ends\r\n"))
		_ = g.flush()
		return io.EOF
	}
	return nil
}

// admitMessage gives the client leave to send the message of an APPEND.
func (g *gate) admitMessage() error {
	g.until = time.Now().Add(g.cfg.CommandTimeout + sizeTime(g.left))
	if !g.unsent {
		return nil
	}
	g.unsent = false
	return g.goAhead()
}

// readMessage hands the library octets of an APPEND's message, or filling if the session did not want it.
func (g *gate) readMessage(p []byte) (int, error) {
	if int64(len(p)) > g.left {
		p = p[:g.left]
	}
	if g.unsent {
		g.unsent, g.unwanted = false, true
	}
	if g.unwanted {
		clear(p)
		g.left -= int64(len(p))
		return len(p), nil
	}
	n, err := g.read(p)
	g.left -= int64(n)
	return n, err
}

// endMessage reads the line behind the message, and returns what is wrong with it. The library would keep a
// message and say nothing if anything stood there.
func (g *gate) endMessage() error {
	if !g.tail {
		return nil
	}
	g.tail = false
	want := ""
	if g.command.inBracket {
		want = ")"
	}
	g.pending = []byte(want + "\r\n")
	if g.unwanted {
		return nil
	}
	line, err := g.line(maxCommand)
	if err != nil {
		return err
	}
	if string(line) == want {
		return nil
	}
	if bytes.HasSuffix(line, []byte("}")) {
		g.hangUp() // a second message (MULTIAPPEND is not offered): what follows is no command
	}
	return errTail
}

// skipMessage gets past a message that the library has refused without reading it. It would take it for
// commands.
func (g *gate) skipMessage() error {
	g.tail = false
	if g.unsent || g.unwanted {
		g.left = 0
		return nil
	}
	g.until = time.Now().Add(g.cfg.CommandTimeout + sizeTime(g.left))
	if _, err := io.CopyN(io.Discard, readerFunc(g.read), g.left); err != nil {
		return g.lost(err)
	}
	g.left = 0
	line, err := g.line(maxCommand)
	if err == nil && bytes.HasSuffix(line, []byte("}")) {
		err = errLineTooLong // another literal: too much trouble
	}
	if err != nil {
		return g.lost(err)
	}
	return nil
}

// errTail tells that something follows the message of an APPEND.
var errTail = errors.New("something follows the message")

// Write takes the library's output: a whole line each time, if it is shorter than the library's buffer.
func (g *gate) Write(p []byte) (int, error) {
	if !g.greeted {
		g.greeted = true
		return len(p), nil
	}
	return len(p), g.write(g.session.amend(g.reword(p)))
}

// reword notes the tagged answer. It replaces the one to what the library cannot parse, which errors of
// ours never look like, and counts the errors.
func (g *gate) reword(p []byte) []byte {
	if g.command == nil {
		return p
	}
	answer, ok := bytes.CutPrefix(p, []byte(g.command.tag+" "))
	g.answered = g.answered || ok
	switch {
	case ok && string(answer) == "NO [SERVERBUG] Internal server error\r\n":
		if strings.Contains(g.command.args, "&") { // most likely a folder's name that is not modified UTF-7
			return []byte(g.command.tag + " NO [CANNOT] No folder can be called so\r\n")
		}
		p = []byte(g.command.tag + " BAD [CLIENTBUG] Syntax error\r\n")
	case !ok || !bytes.HasPrefix(answer, []byte("BAD ")):
		return p
	}
	if g.errors++; g.errors >= g.cfg.MaxErrors {
		p = append(p, "* BYE Connection ends\r\n"...)
	}
	return p
}

// Close is called by the library when it is done with the connection.
func (g *gate) Close() error {
	g.closing.Do(func() {
		g.link.close()
		g.onClose()
	})
	return nil
}

// LocalAddr and those below make a net.Conn. Deadlines are the link's business.
func (g *gate) LocalAddr() net.Addr              { return g.conn.LocalAddr() }
func (g *gate) RemoteAddr() net.Addr             { return g.conn.RemoteAddr() }
func (g *gate) SetDeadline(time.Time) error      { return nil }
func (g *gate) SetReadDeadline(time.Time) error  { return nil }
func (g *gate) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*gate)(nil)
