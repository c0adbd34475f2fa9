package queue

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/posthaste-mta/posthaste/message"
)

// Every record begins with a checksum over its key and all that follows, so that a flipped bit, a
// cut or a record under another's key is found and costs that message only. It is CRC-32C because
// processors compute it faster than they copy.
const sumLen = 4

// sum is the checksum of a record in parts. table must be crc32.MakeTable(crc32.Castagnoli), which
// the hash package makes once and returns at every call.
func sum(key []byte, parts ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, table, key)
	for _, p := range parts {
		c = crc32.Update(c, table, p)
	}
	return c
}

// openRecord checks a record and returns it without its checksum.
func openRecord(key, value []byte) ([]byte, error) {
	if len(value) < sumLen {
		return nil, fmt.Errorf("%w: record %q has %d bytes", ErrDamaged, key, len(value))
	}
	if sum(key, value[sumLen:]) != binary.BigEndian.Uint32(value) {
		return nil, fmt.Errorf("%w: record %q does not match its checksum", ErrDamaged, key)
	}
	return value[sumLen:], nil
}

// group is what is kept of one group in the schedule.
type group struct {
	recipients  []message.Recipient
	attempts    int
	delayWarned bool
	// envelope is kept here when this is the message's only group, which saves most messages
	// two records; else it is nil and the envelope has a record of its own.
	envelope *message.Envelope
}

const groupVersion = 1

// Bits of a group's flag byte.
const (
	groupHasEnvelope = 1 << iota
	groupDelayWarned
	groupFlagsEnd
)

// appendGroup appends the record of g under key, with its checksum, to b.
func appendGroup(b, key []byte, g *group) []byte {
	start := len(b)
	var flags byte
	if g.envelope != nil {
		flags |= groupHasEnvelope
	}
	if g.delayWarned {
		flags |= groupDelayWarned
	}
	b = append(b, 0, 0, 0, 0, groupVersion, flags)
	b = binary.AppendUvarint(b, uint64(g.attempts))
	b = message.AppendRecipients(b, g.recipients)
	if g.envelope != nil {
		b = message.AppendEnvelope(b, g.envelope)
	}
	binary.BigEndian.PutUint32(b[start:], sum(key, b[start+sumLen:]))
	return b
}

// decodeGroup reads what appendGroup wrote. It keeps nothing of value.
func decodeGroup(key, value []byte) (*group, error) {
	b, err := openRecord(key, value)
	if err != nil {
		return nil, err
	}
	bad := func(why any) (*group, error) {
		return nil, fmt.Errorf("%w: schedule record %q: %v", ErrDamaged, key, why)
	}
	if len(b) < 3 || b[0] != groupVersion || b[1] >= groupFlagsEnd {
		return bad("unknown version or flags")
	}
	g := &group{delayWarned: b[1]&groupDelayWarned != 0}
	attempts, n := binary.Uvarint(b[2:])
	if n <= 0 || attempts > 1<<31 {
		return bad("attempts")
	}
	g.attempts = int(attempts)
	rest := b[2+n:]
	hasEnvelope := b[1]&groupHasEnvelope != 0
	if g.recipients, rest, err = message.DecodeRecipients(rest); err != nil {
		return bad(err)
	}
	if hasEnvelope {
		if g.envelope, err = message.DecodeEnvelope(rest); err != nil {
			return bad(err)
		}
	} else if len(rest) > 0 {
		return bad("too long")
	}
	return g, nil
}

// appendEnvelopeRecord appends the record of an envelope that has one of its own.
func appendEnvelopeRecord(b, key []byte, e *message.Envelope) []byte {
	start := len(b)
	b = message.AppendEnvelope(append(b, 0, 0, 0, 0), e)
	binary.BigEndian.PutUint32(b[start:], sum(key, b[start+sumLen:]))
	return b
}

func decodeEnvelopeRecord(key, value []byte) (*message.Envelope, error) {
	b, err := openRecord(key, value)
	if err != nil {
		return nil, err
	}
	e, err := message.DecodeEnvelope(b)
	if err != nil {
		return nil, fmt.Errorf("%w: envelope %q: %v", ErrDamaged, key, err)
	}
	return e, nil
}
