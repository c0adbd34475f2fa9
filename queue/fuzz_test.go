package queue

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// A place that can be read is written back the same.
func FuzzParsePlace(f *testing.F) {
	f.Add(placeKey(spaceSchedule, flowName{"one.test", message.ClassBulk, "acme"}, slot{due: 1, id: 2, group: 3, gen: 4, count: 5, tried: true}))
	f.Add(placeKey(spaceHeld, flowName{"one.test", 0, ""}, slot{}))
	f.Add([]byte("s"))
	f.Fuzz(func(t *testing.T, key []byte) {
		name, at, err := parsePlace(key)
		if err != nil {
			return
		}
		if again := placeKey(key[0], name, at); !bytes.Equal(again, key) {
			t.Errorf("%q became %q", key, again)
		}
	})
}

// Records of any bytes are refused or read, never a panic; what passes its checksum as well.
func FuzzRecords(f *testing.F) {
	key := []byte("key")
	env := &message.Envelope{ID: 7, Sender: "s@example.org", Size: 9}
	f.Add(appendGroup(nil, key, &group{recipients: rcpts("a@one.test", "b@one.test"), attempts: 3, envelope: env}))
	f.Add(appendGroup(nil, key, &group{recipients: rcpts("a@one.test"), delayWarned: true}))
	f.Add(appendEnvelopeRecord(nil, key, env))
	f.Add((&counters{accepted: 5, lastID: 9}).appendRecord(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) >= sumLen { // or nothing would get past the checksum
			value = bytes.Clone(value)
			binary.BigEndian.PutUint32(value, sum(key, value[sumLen:]))
		}
		if g, err := decodeGroup(key, value); err == nil {
			if _, err := decodeGroup(key, appendGroup(nil, key, g)); err != nil {
				t.Errorf("read once, but not again: %v", err)
			}
		}
		_, _ = decodeEnvelopeRecord(key, value)
		if len(value) >= sumLen {
			binary.BigEndian.PutUint32(value, sum(countersKey(), value[sumLen:]))
		}
		_, _ = decodeCounters(value)
	})
}
