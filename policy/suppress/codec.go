package suppress

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// recordVersion is the first byte of every record.
const recordVersion = 1

var errRecord = errors.New("suppress: damaged record")

// appendRecord appends all of an entry that its key does not tell.
func appendRecord(b []byte, e *Entry) []byte {
	b = append(b, recordVersion)
	b = appendTime(b, e.Since)
	b = appendTime(b, e.Until)
	for _, s := range []string{e.Reason, e.Evidence.Event, e.Evidence.Remote} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// readEntry puts an entry together from its key and record.
func readEntry(key, record []byte) (Entry, error) {
	var e Entry
	var ok bool
	if e.Tenant, e.Target, ok = splitKey(key); !ok {
		return e, fmt.Errorf("%w: key %q", errRecord, key)
	}
	r := reader{b: record}
	r.version(recordVersion)
	e.Since, e.Until = r.time(), r.time()
	e.Reason, e.Evidence.Event, e.Evidence.Remote = r.string(), r.string(), r.string()
	if r.bad || len(r.b) > 0 {
		return e, fmt.Errorf("%w: %s of tenant %q", errRecord, e.Target, e.Tenant)
	}
	return e, nil
}

// appendTime appends seconds since 1970; 0 is the zero time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendUvarint(b, 0)
	}
	return binary.AppendUvarint(b, uint64(max(t.Unix(), 0)))
}

// reader reads a record; bad is set when there is less than there should be.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) version(want byte) {
	if len(r.b) == 0 || r.b[0] != want {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[1:]
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) time() time.Time {
	n := r.number()
	switch {
	case n == 0:
		return time.Time{}
	case n > 1<<38: // beyond the year 9999
		r.bad = true
		return time.Time{}
	default:
		return time.Unix(int64(n), 0).UTC()
	}
}

func (r *reader) string() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
