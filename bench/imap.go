package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// imapClient is a connection of a mail program.
type imapClient struct {
	conn net.Conn
	r    *bufio.Reader
	line []byte
	tag  int
	read int64 // bytes
	stop func() bool
}

// dialIMAP connects and logs in.
func dialIMAP(ctx context.Context, addr, user string) (*imapClient, error) {
	d := net.Dialer{Timeout: replyTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &imapClient{conn: conn, r: bufio.NewReaderSize(conn, 4096), stop: context.AfterFunc(ctx, func() { conn.Close() })}
	if _, err = c.response(); err == nil {
		err = c.command(fmt.Sprintf("LOGIN %q %q", user, inletSecret), nil)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("IMAP login of %s: %w", user, err)
	}
	return c, nil
}

func (c *imapClient) close() {
	c.stop()
	c.conn.Close()
}

// command carries one out and shows each the responses before its end; an error if that is not OK.
func (c *imapClient) command(text string, each func(line []byte)) error {
	if err := c.send(text); err != nil {
		return err
	}
	return c.finish(text, each)
}

func (c *imapClient) send(text string) error {
	c.tag++
	if err := c.conn.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.conn, "a%d %s\r\n", c.tag, text)
	return err
}

// finish reads to the end of the command.
func (c *imapClient) finish(text string, each func(line []byte)) error {
	tag := fmt.Sprintf("a%d ", c.tag)
	for {
		line, err := c.response()
		if err != nil {
			return err
		}
		if end, ok := bytes.CutPrefix(line, []byte(tag)); ok {
			if !bytes.HasPrefix(end, []byte("OK")) {
				return fmt.Errorf("%.40q was answered %.200q", text, end)
			}
			return nil
		}
		if each != nil {
			each(line)
		}
	}
}

// response reads one response with its literals, valid until the next call.
func (c *imapClient) response() ([]byte, error) {
	c.line = c.line[:0]
	for {
		piece, err := c.r.ReadSlice('\n')
		c.read += int64(len(piece))
		if c.line = append(c.line, piece...); errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, ok := literalLen(c.line)
		if !ok {
			return c.line, nil
		}
		at := len(c.line)
		c.line = append(c.line, make([]byte, n)...)
		if _, err := io.ReadFull(c.r, c.line[at:]); err != nil {
			return nil, err
		}
		c.read += int64(n)
	}
}

// literalLen reads the {n} at the end of a line.
func literalLen(line []byte) (int, bool) {
	line = bytes.TrimSuffix(line, []byte("\r\n"))
	at := bytes.LastIndexByte(line, '{')
	if at < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[at+1 : len(line)-1]))
	return n, err == nil && n >= 0
}

// exists reads "* n EXISTS".
func exists(line []byte) (int, bool) {
	text, ok := bytes.CutSuffix(line, []byte(" EXISTS\r\n"))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(bytes.TrimPrefix(text, []byte("* "))))
	return n, err == nil
}

// selectInbox returns how many messages there are.
func (c *imapClient) selectInbox() (messages int, err error) {
	err = c.command("SELECT INBOX", func(line []byte) {
		if n, ok := exists(line); ok {
			messages = n
		}
	})
	return messages, err
}

// idle tells how many messages there are whenever that changes, until news returns false or the connection ends.
func (c *imapClient) idle(news func(messages int) bool) error {
	if err := c.send("IDLE"); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	for {
		line, err := c.response()
		if err != nil {
			return err
		}
		if n, ok := exists(line); ok && !news(n) {
			break
		}
	}
	if _, err := io.WriteString(c.conn, "DONE\r\n"); err != nil {
		return err
	}
	return c.finish("IDLE", nil)
}

// fetch shows the contents of messages by their numbers in the mailbox.
func (c *imapClient) fetch(from, to int, each func(content []byte)) error {
	return c.command(fmt.Sprintf("FETCH %d:%d BODY.PEEK[]", from, to), func(line []byte) {
		head, content, ok := bytes.Cut(line, []byte("}\r\n"))
		if at := bytes.LastIndexByte(head, '{'); ok && at >= 0 {
			if n, err := strconv.Atoi(string(head[at+1:])); err == nil && n <= len(content) {
				each(content[:n])
			}
		}
	})
}
