package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// replyTimeout is how long the load waits for any one reply.
const replyTimeout = 2 * time.Minute

// client is one connection of the load: lock-step like most senders, or pipelining.
type client struct {
	conn  net.Conn
	r     *bufio.Reader
	out   []byte
	used  int // messages sent on this connection
	until time.Time
	stop  func() bool // ends the watch on the context
}

// errRefused is a reply that was not the one wanted: the connection is still good.
type errRefused struct{ reply string }

func (e errRefused) Error() string { return "refused: " + e.reply }

// hello is what comes first on a connection.
type hello struct {
	proxy string // the line of a load balancer; "": none
	plain string // the initial response of AUTH PLAIN; "": no login
}

func dialClient(ctx context.Context, addr string, h hello) (*client, error) {
	d := net.Dialer{Timeout: replyTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, stop: context.AfterFunc(ctx, func() { conn.Close() }), r: bufio.NewReaderSize(conn, 4096), out: make([]byte, 0, 8192)}
	if err = c.greet(h); err != nil {
		c.close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return c, nil
}

func (c *client) greet(h hello) error {
	if h.proxy != "" {
		c.out = append(c.out, h.proxy...)
		if err := c.write(); err != nil {
			return err
		}
	}
	if err := c.expect('2'); err != nil {
		return err
	}
	c.out = append(c.out, "EHLO load."+SenderDomain+"\r\n"...)
	err := c.exchange('2')
	if err == nil && h.plain != "" {
		c.out = append(c.out, "AUTH PLAIN "+h.plain+"\r\n"...)
		err = c.exchange('2')
	}
	return err
}

// write sends what was gathered.
func (c *client) write() error {
	if now := time.Now(); c.until.Sub(now) < replyTimeout/2 {
		c.until = now.Add(replyTimeout)
		if err := c.conn.SetDeadline(c.until); err != nil {
			return err
		}
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// expect reads one reply and compares its first digit.
func (c *client) expect(digit byte) error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if len(line) < 4 {
			return fmt.Errorf("reply %q makes no sense", line)
		}
		if line[3] == '-' {
			continue
		}
		if line[0] != digit {
			return errRefused{strings.TrimSpace(string(line))}
		}
		return nil
	}
}

func (c *client) exchange(digit byte) error {
	if err := c.write(); err != nil {
		return err
	}
	return c.expect(digit)
}

// send carries out one transaction. sent is called when the last byte is written, before the
// final reply is waited for. An errRefused leaves the connection usable.
func (c *client) send(l *Load, n uint64, content []byte, sent func()) error {
	c.used++
	steps := 0
	step := func(digit byte) error { // lock-step: each command waits for its reply
		if l.Pipelining {
			steps++
			return nil
		}
		return c.exchange(digit)
	}
	c.out = append(c.out, "MAIL FROM:<"...)
	c.out = append(appendSender(c.out, n, l.Senders), ">\r\n"...)
	err := step('2')
	for k := 0; k < l.Recipients && err == nil; k++ {
		c.out = append(c.out, "RCPT TO:<"...)
		c.out = append(l.appendRecipient(c.out, n, k), ">\r\n"...)
		err = step('2')
	}
	if err == nil {
		c.out = append(c.out, "DATA\r\n"...)
		err = c.dataReply(steps)
	}
	if err != nil {
		return c.recover(err)
	}
	c.out = append(c.out, content...)
	c.out = append(c.out, ".\r\n"...)
	if err := c.write(); err != nil {
		return err
	}
	sent()
	return c.expect('2')
}

// dataReply waits for the 354, and before it for the replies to what was sent together with DATA.
func (c *client) dataReply(pipelined int) error {
	if err := c.write(); err != nil {
		return err
	}
	var first error
	for range pipelined {
		err := c.expect('2')
		if err != nil && !errors.As(err, new(errRefused)) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	err := c.expect('3')
	if first != nil && err == nil {
		return fmt.Errorf("354 after a refusal (%w) ends this connection", errors.New(first.Error()))
	}
	if first != nil {
		return first
	}
	return err
}

// recover brings the connection back to the start of a transaction.
func (c *client) recover(err error) error {
	if !errors.As(err, new(errRefused)) {
		return err
	}
	c.out = append(c.out[:0], "RSET\r\n"...)
	if e := c.exchange('2'); e != nil {
		return fmt.Errorf("RSET after %q: %w", err, errors.New(e.Error()))
	}
	return err
}

func (c *client) quit() {
	c.out = append(c.out[:0], "QUIT\r\n"...)
	_ = c.exchange('2')
	c.close()
}

func (c *client) close() {
	c.stop()
	c.conn.Close()
}
