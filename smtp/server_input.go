package smtp

import "bytes"

// maxCommandLine bounds a command with its CR LF. RFC 5321 asks for 512 and each extension for
// some more; those offered here sum up to about 2000.
const maxCommandLine = 4096

// serverInput is where a connection's bytes arrive, commands and content alike. Content stays in
// the place where it was read. One buffer holds, in this order:
//
//	buf[:kept]  content of the message under way, without transport
//	buf[r:w]    input that has not been looked at
//
// A connection that waits for a command has only its base buffer. DATA and BDAT borrow a larger
// one from the budget and grow it as bytes arrive; a mere claim of size makes it grow faster, by
// sixteen at most, but never ahead of the bytes.
type serverInput struct {
	buf    []byte
	kept   int
	r, w   int
	budget *Budget
	base   [maxCommandLine]byte
}

func (in *serverInput) reset(b *Budget) {
	in.budget = b
	in.buf = in.base[:]
	in.kept, in.r, in.w = 0, 0, 0
}

func (in *serverInput) unread() []byte { return in.buf[in.r:in.w] }

// space returns where to read to; it is empty if the buffer is full.
func (in *serverInput) space() []byte {
	if in.r == in.w {
		in.r, in.w = in.kept, in.kept
	}
	if in.w == len(in.buf) && in.r > in.kept {
		in.w = in.kept + copy(in.buf[in.kept:], in.unread())
		in.r = in.kept
	}
	return in.buf[in.w:]
}

// keep appends buf[from:to] to the content. The bytes lie behind the content, so that the move, if
// one is needed at all, is downwards.
func (in *serverInput) keep(from, to int) {
	if from != in.kept {
		copy(in.buf[in.kept:], in.buf[from:to])
	}
	in.kept += to - from
}

// borrow makes the buffer one of the budget's, for content of which hint bytes are expected (0:
// unknown). It reports false if the budget does not allow it.
func (in *serverInput) borrow(hint int64) bool {
	if len(in.buf) > len(in.base) {
		return true // still borrowed, for input that came with the last content
	}
	return in.exchange(int(min(hint, 16*(1<<bufferMinBits))))
}

// grow makes room behind w when the buffer is full. Copying is at most one third of the
// content up to 1 MiB, and at most the content itself above.
func (in *serverInput) grow(hint int64) bool {
	size := int64(len(in.buf))
	next := 2 * size
	if size < 1<<20 {
		next = 4 * size
	}
	return in.exchange(int(min(max(hint, next), 16*size)))
}

// exchange replaces the buffer by one of the budget's.
func (in *serverInput) exchange(size int) bool {
	larger := in.budget.take(max(size, 1))
	if larger == nil {
		return false
	}
	copy(larger, in.buf[:in.kept])
	n := copy(larger[in.kept:], in.unread())
	in.giveBack()
	in.buf = larger
	in.r, in.w = in.kept, in.kept+n
	return true
}

// append appends a few bytes to the content, moving the input behind it out of the way.
func (in *serverInput) append(tail string) bool {
	if in.r < in.kept+len(tail) {
		unread := in.unread()
		if in.kept+len(tail)+len(unread) > len(in.buf) {
			if !in.grow(0) {
				return false
			}
			unread = in.unread()
		}
		in.r = in.kept + len(tail)
		in.w = in.r + copy(in.buf[in.r:], unread)
	}
	in.kept += copy(in.buf[in.kept:], tail)
	return true
}

// endContent forgets the content, and returns the borrowed buffer unless more pipelined input
// than the base buffer can hold is in it.
func (in *serverInput) endContent() {
	in.kept = 0
	if len(in.buf) == len(in.base) || in.w-in.r > len(in.base) {
		return
	}
	n := copy(in.base[:], in.unread())
	in.giveBack()
	in.buf = in.base[:]
	in.r, in.w = 0, n
}

// giveBack returns the borrowed buffer, if there is one, leaving buf invalid.
func (in *serverInput) giveBack() {
	if len(in.buf) > len(in.base) {
		in.budget.give(in.buf)
	}
	in.buf = nil
}

// nextLine takes a line out of the input: ok tells whether a whole one was there, crlf whether
// it ended as it should. The line is without its end and valid until the next read.
func (in *serverInput) nextLine() (line []byte, crlf, ok bool) {
	unread := in.unread()
	n := bytes.IndexByte(unread, '\n')
	if n < 0 {
		return nil, false, false
	}
	in.r += n + 1
	if n == 0 || unread[n-1] != '\r' {
		return unread[:n], false, true
	}
	return unread[:n-1], true, true
}

// replace makes other the content. It must fit the budget beside the buffer in use, once.
func (in *serverInput) replace(other []byte) bool {
	if len(other) <= in.r {
		copy(in.buf, other)
		in.kept = len(other)
		return true
	}
	larger := in.budget.take(len(other) + len(in.unread()))
	if larger == nil {
		return false
	}
	in.kept = copy(larger, other)
	n := copy(larger[in.kept:], in.unread())
	in.giveBack()
	in.buf = larger
	in.r, in.w = in.kept, in.kept+n
	return true
}
