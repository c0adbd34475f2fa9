package message

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The faults that CheckLines finds.
var (
	ErrBareCR   = errors.New("message: carriage return without line feed")
	ErrBareLF   = errors.New("message: line feed without carriage return")
	ErrLongLine = errors.New("message: line too long")
	ErrNUL      = errors.New("message: NUL")
)

// Has8Bit tells whether content has a byte above 127.
func Has8Bit(content []byte) bool {
	for len(content) >= 32 {
		// Four words at once: the loop then runs at the speed of memory.
		w := binary.LittleEndian.Uint64(content) | binary.LittleEndian.Uint64(content[8:]) |
			binary.LittleEndian.Uint64(content[16:]) | binary.LittleEndian.Uint64(content[24:])
		if w&0x8080808080808080 != 0 {
			return true
		}
		content = content[32:]
	}
	for _, c := range content {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// CheckLines tells whether content may be sent on: lines end with CRLF, no CR or LF stands alone,
// no NUL, and no line is longer than maxLine bytes without its CRLF (0: no limit). It returns the
// first fault that it meets.
func CheckLines(content []byte, maxLine int) error {
	if bytes.IndexByte(content, 0) >= 0 {
		return ErrNUL
	}
	for len(content) > 0 {
		n := bytes.IndexByte(content, '\n')
		line := content
		if n >= 0 {
			if n == 0 || content[n-1] != '\r' {
				return ErrBareLF
			}
			line = content[:n-1]
			content = content[n+1:]
		} else {
			content = nil
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return ErrBareCR
		}
		if maxLine > 0 && len(line) > maxLine {
			return ErrLongLine
		}
	}
	return nil
}
