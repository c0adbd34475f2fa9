package smtp

import (
	"fmt"
	"io"
	"net"
)

// clientReader takes replies off a connection through a buffer that it holds only while there is
// something in it.
type clientReader struct {
	conn     net.Conn
	buf      *[]byte // from the pool; nil while idle
	r, w     int     // buf[r:w] has been read from conn and not been used
	maxLines int
	maxBytes int
	pool     *ClientBuffers
}

// buffered returns the next reply if all of it has been read already; ok is false if not.
func (r *clientReader) buffered() (rep reply, ok bool, err error) {
	if r.r == r.w {
		return reply{}, false, nil
	}
	rep, n, err := parseReply((*r.buf)[r.r:r.w], r.maxLines)
	if err == nil && (n > r.maxBytes || n == 0 && r.w-r.r >= r.maxBytes) {
		err = fmt.Errorf("%w: reply of more than %d bytes", ErrProtocol, r.maxBytes)
	}
	if err != nil || n == 0 {
		return reply{}, false, err
	}
	r.r += n
	return rep, true, nil
}

// fill reads once from the connection.
func (r *clientReader) fill() error {
	n, err := r.conn.Read(r.space())
	r.w += n
	switch {
	case n > 0:
		return nil // an error comes again with the next read
	case err == nil:
		return io.ErrNoProgress
	case err == io.EOF && r.w > r.r:
		return io.ErrUnexpectedEOF
	}
	return err
}

// space returns room to read into, behind what is buffered. A buffer full of one unfinished reply
// doubles; buffered sees to it that this ends.
func (r *clientReader) space() []byte {
	if r.buf == nil {
		r.buf = r.pool.read.Get().(*[]byte)
	}
	b := *r.buf
	if r.r > 0 {
		r.w = copy(b, b[r.r:r.w])
		r.r = 0
	}
	if r.w == len(b) {
		larger := make([]byte, 2*len(b))
		copy(larger, b)
		r.pool.putRead(r.buf)
		r.buf, b = &larger, larger
	}
	return b[r.w:]
}

// empty tells that everything read has been used.
func (r *clientReader) empty() bool { return r.r == r.w }

// release gives the buffer back if there is nothing in it.
func (r *clientReader) release() {
	if r.buf != nil && r.empty() {
		r.pool.putRead(r.buf)
		r.buf, r.r, r.w = nil, 0, 0
	}
}

// discard gives the buffer back with whatever is in it.
func (r *clientReader) discard() {
	r.r, r.w = 0, 0
	r.release()
}
