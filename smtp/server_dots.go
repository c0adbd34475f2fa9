package smtp

import "bytes"

// contentFault is what is wrong with a content, a set.
type contentFault uint8

const (
	faultBare     contentFault = 1 << iota // a bare CR, a bare LF or a NUL
	faultLongLine                          // longer than allowed
)

// dotScanner takes the content of DATA out of the input: it finds the end, CR LF . CR LF and
// nothing else, and removes the dots that the client put before dots (RFC 5321 4.5.2). It looks for
// one LF per line and moves the bytes between two removed dots at once; content without a
// leading dot is not moved at all.
//
// After CR CR LF some hosts do not see a line begin, so that the end as we see it may be text of the
// message for whoever sent it, and what follows a smuggled message. doubleCR tells of that.
type dotScanner struct {
	in       *serverInput
	maxLine  int
	lines    int // kept so far
	fault    contentFault
	searched int  // bytes of the unread input that hold no line end
	midLine  bool // the unread input begins inside a line: its beginning was dropped
	doubleCR bool // the last whole line ended in CR CR LF
	dropping bool // the content is not wanted
	dropped  int64
}

// next consumes the whole lines in the input and reports whether the last of them was the end.
// Apart from the end, only an unfinished line stays in the input.
func (d *dotScanner) next() (end bool) {
	in := d.in
	buf := in.buf[:in.w]
	line := in.r // where the line under inspection begins
	run := line  // where the bytes begin that are wanted but not yet kept
	for {
		n := bytes.IndexByte(buf[line+d.searched:], '\n')
		if n < 0 {
			d.searched = len(buf) - line
			break
		}
		lf := line + d.searched + n
		if lf == line || buf[lf-1] != '\r' {
			d.fault |= faultBare
			d.searched = lf + 1 - line // the line goes on: only CR LF ends one
			continue
		}
		length := lf - 1 - line
		if buf[line] == '.' && !d.midLine {
			length-- // the dot is transport: it does not count (RFC 5321 4.5.3.1.6)
			d.keep(run, line)
			if lf == line+2 {
				in.r = lf + 1
				return true
			}
			run = line + 1
		}
		if length > d.maxLine {
			d.fault |= faultLongLine
		}
		d.lines++
		d.doubleCR = lf-2 >= in.r && buf[lf-2] == '\r'
		line = lf + 1
		d.searched = 0
		d.midLine = false
	}
	d.keep(run, line)
	if d.dropping {
		d.dropped += int64(line - in.r)
	}
	in.r = line
	return false
}

func (d *dotScanner) keep(from, to int) {
	if !d.dropping && from < to {
		d.in.keep(from, to)
	}
}

// drop makes the scanner keep nothing from here on, and lets go of what it kept and of the
// unfinished line as far as possible. REQUIRES: next has just returned false.
func (d *dotScanner) drop() {
	in := d.in
	d.dropping = true
	// ".", CR may yet become the end; of a longer line, only CRs at its end matter.
	if n := in.w - in.r; n > 2 {
		d.midLine = true
		in.r = in.w - 2
		d.searched = min(d.searched, 2)
		d.dropped += int64(n - 2)
	}
	in.endContent()
}
