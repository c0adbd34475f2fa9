package message

import (
	"errors"
	"sync/atomic"
	"time"
)

// ID names a message for as long as it is in the queue, and in every log line
// and reply about it. IDs sort by time of acceptance: the upper 52 bits are
// microseconds since 2020-01-01 UTC, the lower 12 bits a counter.
type ID uint64

// idEpoch is the zero of an ID's time, in Unix microseconds. 52 bits from here
// reach the year 2162.
const idEpoch = 1577836800 * 1_000_000

// idLen is the length of an ID as text: 13 digits of 5 bits hold 64 bits.
const idLen = 13

// idDigits leaves out i, l, o and u, which are misread in a log line, and keeps the
// digits in ascending order so that IDs as text sort like IDs as numbers.
const idDigits = "0123456789abcdefghjkmnpqrstvwxyz"

// ErrBadID is returned by ParseID for text that no ID prints as.
var ErrBadID = errors.New("message: not a message id (13 characters of 0-9 and a-z without i, l, o, u)")

// String returns the ID as 13 characters of lower-case base 32.
func (id ID) String() string {
	var b [idLen]byte
	id.put(&b)
	return string(b[:])
}

// AppendText appends what String returns to b, without allocating.
func (id ID) AppendText(b []byte) ([]byte, error) {
	var t [idLen]byte
	id.put(&t)
	return append(b, t[:]...), nil
}

func (id ID) put(b *[idLen]byte) {
	v := uint64(id)
	for i := idLen - 1; i >= 0; i-- {
		b[i] = idDigits[v&31]
		v >>= 5
	}
}

// Time returns when the ID was made, to the microsecond.
func (id ID) Time() time.Time { return time.UnixMicro(int64(id>>12) + idEpoch).UTC() }

// ParseID reads what String printed; upper case is taken too.
func ParseID(s string) (ID, error) {
	if len(s) != idLen {
		return 0, ErrBadID
	}
	var v uint64
	for i := 0; i < idLen; i++ {
		d := digitValue(s[i])
		if d < 0 || (i == 0 && d > 15) { // the first digit carries only 4 bits
			return 0, ErrBadID
		}
		v = v<<5 | uint64(d)
	}
	return ID(v), nil
}

func digitValue(c byte) int {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	for i := 0; i < len(idDigits); i++ {
		if idDigits[i] == c {
			return i
		}
	}
	return -1
}

// IDs makes IDs that only ever grow, also when the clock is set back. It is safe
// for concurrent use. The zero value is ready for use.
type IDs struct {
	last atomic.Uint64
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// StartAfter makes all later IDs greater than id. A queue calls it with the newest ID it
// holds, so that a clock set back across a restart cannot make an ID twice.
func (g *IDs) StartAfter(id ID) {
	for {
		last := g.last.Load()
		if last >= uint64(id) || g.last.CompareAndSwap(last, uint64(id)) {
			return
		}
	}
}

// Next returns a new ID.
func (g *IDs) Next() ID {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	var fromClock uint64
	if us := now().UnixMicro() - idEpoch; us > 0 {
		fromClock = uint64(us) << 12
	}
	for {
		last := g.last.Load()
		next := max(last+1, fromClock)
		if g.last.CompareAndSwap(last, next) {
			return ID(next)
		}
	}
}
