package smtp

import "net"

const (
	// clientCopyMax is the length up to which a piece of content is copied into the write buffer.
	// Copying 4 KiB costs less than another entry in a writev.
	clientCopyMax = 8 << 10
	// clientBlock is how much goes to the kernel under one DataBlock timeout.
	clientBlock = 256 << 10
	// clientMaxPieces bounds the entries of one writev.
	clientMaxPieces = 64
)

// clientWriter gathers commands and content into as few writes as can be: small pieces are copied
// into one buffer, large ones are pointed to. What it queued goes out with flush, or earlier when
// a bound is reached. The first error sticks, and all that follows is dropped.
type clientWriter struct {
	conn    net.Conn
	before  func() // called before each write; sets the deadline
	buf     *[]byte
	n, seal int         // (*buf)[seal:n] is queued and not in pieces yet
	pieces  net.Buffers // queued before that
	backing net.Buffers // the array of pieces, kept for reuse
	queued  int         // bytes in pieces and (*buf)[seal:n]
	wrote   int64       // bytes that the kernel took since the connection began
	err     error
	pool    *ClientBuffers
}

// end returns the offset in the connection's stream behind all that was queued so far.
func (w *clientWriter) end() int64 { return w.wrote + int64(w.queued) }

// text queues s, which must be shorter than the buffer.
func (w *clientWriter) text(s string) {
	if w.room(len(s)) {
		w.took(copy((*w.buf)[w.n:], s))
	}
}

// copied queues a copy of p, which must be shorter than the buffer.
func (w *clientWriter) copied(p []byte) {
	if w.room(len(p)) {
		w.took(copy((*w.buf)[w.n:], p))
	}
}

// line returns an empty slice to append one command to, of at most clientMaxCommand bytes; commit
// queues it. ok is false after an error.
func (w *clientWriter) line() (b []byte, ok bool) {
	if !w.room(clientMaxCommand) {
		return nil, false
	}
	return (*w.buf)[w.n:w.n], true
}

func (w *clientWriter) commit(b []byte) { w.took(len(b)) }

func (w *clientWriter) took(n int) {
	w.n += n
	w.queued += n
}

// room makes space for n bytes in the buffer.
func (w *clientWriter) room(n int) bool {
	if w.buf == nil {
		w.buf = w.pool.write.Get().(*[]byte)
	}
	if w.n+n > len(*w.buf) || w.queued >= clientBlock {
		w.flush()
	}
	return w.err == nil
}

// bulk queues p by reference if it is large; it must not change until flush.
func (w *clientWriter) bulk(p []byte) {
	for len(p) > clientCopyMax {
		if w.queued >= clientBlock || len(w.pieces) >= clientMaxPieces {
			w.flush()
		}
		if w.err != nil {
			return
		}
		n := min(len(p), clientBlock)
		w.sealBuffer()
		w.push(p[:n])
		w.queued += n
		p = p[n:]
	}
	if len(p) > 0 {
		w.copied(p)
	}
}

// sealBuffer makes a piece of what was copied since the last one.
func (w *clientWriter) sealBuffer() {
	if w.n > w.seal {
		w.push((*w.buf)[w.seal:w.n])
		w.seal = w.n
	}
}

func (w *clientWriter) push(p []byte) {
	if len(w.pieces) == 0 {
		w.pieces = w.backing[:0]
	}
	w.pieces = append(w.pieces, p)
	w.backing = w.pieces
}

// flush hands everything queued to the kernel.
func (w *clientWriter) flush() {
	if w.queued == 0 || w.err != nil {
		w.drop()
		return
	}
	w.before()
	var n int64
	if len(w.pieces) == 0 {
		var k int
		k, w.err = w.conn.Write((*w.buf)[:w.n])
		n = int64(k)
	} else {
		w.sealBuffer()
		n, w.err = w.pieces.WriteTo(w.conn) // one writev on a TCP connection
	}
	w.wrote += n
	w.drop()
}

// drop forgets what is queued, and the references to content.
func (w *clientWriter) drop() {
	clear(w.backing)
	w.pieces, w.n, w.seal, w.queued = nil, 0, 0, 0
}

// release gives the buffer back. Nothing may be queued.
func (w *clientWriter) release() {
	if w.buf != nil {
		w.pool.write.Put(w.buf)
		w.buf = nil
	}
}
