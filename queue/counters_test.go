package queue

import (
	"encoding/binary"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// What an earlier release counted is not lost, and what it did not know is 0.
func TestCountersOfVersion1(t *testing.T) {
	c := counters{accepted: 100, queued: 7, lastID: 99}
	c.ended[message.Delivered], c.ended[message.Dropped] = 90, 3
	old := []byte{0, 0, 0, 0, 1}
	old = binary.BigEndian.AppendUint64(old, uint64(c.lastID))
	for _, f := range c.fields()[:fieldsV1] {
		old = binary.AppendVarint(old, *f)
	}
	binary.BigEndian.PutUint32(old, sum(countersKey(), old[sumLen:]))
	got, err := decodeCounters(old)
	if err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	c.ended[message.Captured] = 5
	if got, err := decodeCounters(c.appendRecord(nil)); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
}
