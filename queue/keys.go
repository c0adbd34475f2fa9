package queue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// The store's key spaces, one byte each. docs/storage.md describes the records.
const (
	spaceContent  = 'c' // c id: a message's content
	spaceEnvelope = 'e' // e id: the envelope of a message with several groups
	spaceLive     = 'g' // g id group: that group of such a message has not ended
	spaceHeld     = 'h' // h place: a group that an operator holds
	spaceMemo     = 'm' // m key: a memo
	spaceCounters = 'n' // n: the counters
	spaceNote     = 'o' // o number: a note of a settlement
	spaceAside    = 'q' // q key: a damaged record, put aside
	spaceSchedule = 's' // s place: a group waiting for its due time
)

// A place is where a group stands: its flow's name, then its slot. Flows are named so that all of
// a domain's stand side by side: domain NUL class tenant NUL.

// flowName names the mail of one tenant and class to one domain.
type flowName struct {
	domain string
	class  message.Class
	tenant string
}

func (n flowName) append(b []byte) []byte {
	b = append(b, n.domain...)
	b = append(b, 0, byte(n.class))
	b = append(b, n.tenant...)
	return append(b, 0)
}

// slot is a group's turn within its flow, ordered by due time.
type slot struct {
	due   int64 // microseconds since 1970
	id    message.ID
	group uint16 // numbers the groups of one message
	// gen grows with every rewrite of the group, so that no key is ever set twice: only then may
	// SingleDelete remove it.
	gen uint32
	// count is how many recipients the group has, and tried whether there was an attempt. They are
	// in the key so that counting reads no records and a damaged record can be accounted for.
	count uint16
	tried bool
}

const (
	slotLen  = 8 + 8 + 2 + 4 + 2
	triedBit = 1 << 15
	maxGroup = triedBit - 1 // recipients
)

func (s slot) compare(t slot) int {
	return cmp.Or(cmp.Compare(s.due, t.due), cmp.Compare(s.id, t.id),
		cmp.Compare(s.group, t.group), cmp.Compare(s.gen, t.gen))
}

func (s slot) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.due))
	b = binary.BigEndian.AppendUint64(b, uint64(s.id))
	b = binary.BigEndian.AppendUint16(b, s.group)
	b = binary.BigEndian.AppendUint32(b, s.gen)
	count := s.count
	if s.tried {
		count |= triedBit
	}
	return binary.BigEndian.AppendUint16(b, count)
}

// ticket names a group for its whole life.
type ticket struct {
	id    message.ID
	group uint16
}

func (s slot) ticket() ticket { return ticket{s.id, s.group} }

// micros returns t for use in a slot. Times before 1970 are all the same there: long due.
func micros(t time.Time) int64 { return max(0, t.UnixMicro()) }

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

func placeKey(space byte, n flowName, s slot) []byte {
	b := make([]byte, 0, 1+len(n.domain)+2+len(n.tenant)+1+slotLen)
	return s.append(n.append(append(b, space)))
}

// parsePlace reads a key of the schedule or of held mail.
func parsePlace(key []byte) (flowName, slot, error) {
	bad := func() (flowName, slot, error) {
		return flowName{}, slot{}, fmt.Errorf("%w: key %q is no place in the schedule", ErrDamaged, key)
	}
	if len(key) < 1+2+1+slotLen {
		return bad()
	}
	name, tail := key[1:len(key)-slotLen], key[len(key)-slotLen:]
	end := bytes.IndexByte(name, 0)
	if end < 0 || end+2 >= len(name) || name[len(name)-1] != 0 || name[end+1] >= byte(message.NumClasses) {
		return bad()
	}
	n := flowName{
		domain: string(name[:end]),
		class:  message.Class(name[end+1]),
		tenant: string(name[end+2 : len(name)-1]),
	}
	s := slot{
		due:   int64(binary.BigEndian.Uint64(tail)),
		id:    message.ID(binary.BigEndian.Uint64(tail[8:])),
		group: binary.BigEndian.Uint16(tail[16:]),
		gen:   binary.BigEndian.Uint32(tail[18:]),
		count: binary.BigEndian.Uint16(tail[22:]) &^ triedBit,
		tried: tail[22]&(triedBit>>8) != 0,
	}
	if s.due < 0 {
		return bad()
	}
	return n, s, nil
}

func flowPrefix(space byte, n flowName) []byte { return n.append([]byte{space}) }

// prefixEnd returns the first key behind all that start with prefix.
func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func idKey(space byte, id message.ID) []byte {
	return binary.BigEndian.AppendUint64([]byte{space}, uint64(id))
}

func liveKey(t ticket) []byte {
	return binary.BigEndian.AppendUint16(idKey(spaceLive, t.id), t.group)
}

// keyID reads the id of a key of spaceContent, spaceEnvelope or spaceLive.
func keyID(key []byte) (message.ID, bool) {
	if len(key) < 9 {
		return 0, false
	}
	return message.ID(binary.BigEndian.Uint64(key[1:])), true
}
