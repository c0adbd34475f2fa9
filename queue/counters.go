package queue

import (
	"encoding/binary"
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// counters are kept in the store, absolute, and written in every batch: what they say is exactly as
// durable as what they count. Only the committer changes them.
type counters struct {
	acceptedMessages int64
	accepted         int64 // recipients
	ended            [message.NumResults]int64
	damaged          int64 // recipients put aside with a damaged record
	// What is queued now.
	messages, bytes int64
	queued          int64 // recipients, held ones too
	deferred        int64 // of those, tried before and not held
	held            int64
	// aside counts damaged groups that are kept for a human.
	aside int64
	// lastID is the newest message's, so that ids grow even if the clock is set back.
	lastID message.ID
}

// standing counts a group in (n = 1) or out (n = -1) of where it stands.
func (c *counters) standing(space byte, s slot, n int64) {
	n *= int64(s.count)
	c.queued += n
	switch {
	case space == spaceHeld:
		c.held += n
	case s.tried:
		c.deferred += n
	}
}

// countersVersion 1 had the first fieldsV1 of the fields.
const (
	countersVersion = 2
	fieldsV1        = 14
)

// fields lists the counters in the order they are stored in; new ones go to the end, with a new version.
func (c *counters) fields() []*int64 {
	f := []*int64{&c.acceptedMessages, &c.accepted, &c.damaged, &c.messages, &c.bytes, &c.queued,
		&c.deferred, &c.held, &c.aside}
	for i := range c.ended {
		f = append(f, &c.ended[i])
	}
	return f
}

func countersKey() []byte { return []byte{spaceCounters} }

func (c *counters) appendRecord(b []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, countersVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.lastID))
	for _, f := range c.fields() {
		b = binary.AppendVarint(b, *f)
	}
	binary.BigEndian.PutUint32(b[start:], sum(countersKey(), b[start+sumLen:]))
	return b
}

func decodeCounters(value []byte) (counters, error) {
	var c counters
	b, err := openRecord(countersKey(), value)
	if err != nil {
		return c, err
	}
	if len(b) < 9 || b[0] < 1 || b[0] > countersVersion {
		return c, fmt.Errorf("%w: counters of an unknown version", ErrDamaged)
	}
	fields := c.fields()
	if b[0] == 1 {
		fields = fields[:fieldsV1]
	}
	c.lastID = message.ID(binary.BigEndian.Uint64(b[1:]))
	b = b[9:]
	for _, f := range fields {
		v, n := binary.Varint(b)
		if n <= 0 {
			return c, fmt.Errorf("%w: counters cut short", ErrDamaged)
		}
		*f, b = v, b[n:]
	}
	return c, nil
}
