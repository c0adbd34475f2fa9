package mailbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Every record but contents and empty ones begins with its version, then varints and strings with their length.

const recordVersion = 1

// errDamaged tells that a record cannot be read.
var errDamaged = errors.New("mailbox: damaged record")

// encoder appends to a record.
type encoder []byte

func newRecord() encoder { return encoder{recordVersion} }

func (e *encoder) number(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	*e = append(*e, s...)
}

// decoder reads a record; err is set at the first thing that is not there.
type decoder struct {
	b   []byte
	err error
}

func readRecord(b []byte) *decoder {
	d := &decoder{b: b}
	if v := d.number(); v != recordVersion && d.err == nil {
		d.err = fmt.Errorf("%w: version %d", errDamaged, v)
	}
	return d
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b = nil
		if d.err == nil {
			d.err = errDamaged
		}
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errDamaged
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// meta is the store's own record.
type meta struct {
	lastID       uint64 // of accounts, folders and contents: no number comes twice
	lastValidity uint32
	bytes        int64 // of contents, prefixes included, as stored
}

func (m meta) encode() []byte {
	e := newRecord()
	e.number(m.lastID)
	e.number(uint64(m.lastValidity))
	e.number(uint64(m.bytes))
	return e
}

func decodeMeta(b []byte) (meta, error) {
	d := readRecord(b)
	m := meta{lastID: d.number(), lastValidity: uint32(d.number()), bytes: int64(d.number())}
	return m, d.err
}

func (a *accountState) encode() []byte {
	e := newRecord()
	e.number(a.id)
	e.number(uint64(a.quota.Load()))
	e.number(uint64(a.bytes.Load()))
	e.number(uint64(a.count.Load()))
	e.number(uint64(a.created.UnixMilli()))
	return e
}

func decodeAccount(name string, b []byte) (*accountState, error) {
	d := readRecord(b)
	a := &accountState{name: name, id: d.number()}
	a.quota.Store(int64(d.number()))
	a.bytes.Store(int64(d.number()))
	a.count.Store(int64(d.number()))
	a.created = time.UnixMilli(int64(d.number())).UTC()
	return a, d.err
}

func (st *folderState) encode() []byte {
	e := newRecord()
	e.text(st.name)
	for _, n := range []uint64{
		uint64(st.use), uint64(st.validity), uint64(st.next), st.modseq, st.floor,
		uint64(st.messages), uint64(st.unseen), uint64(st.deleted), uint64(st.bytes), uint64(st.deletedBytes),
	} {
		e.number(n)
	}
	return e
}

func decodeState(a *accountState, id uint64, b []byte) (*folderState, error) {
	d := readRecord(b)
	st := &folderState{
		account: a, id: id, name: d.text(), use: Use(d.number()), validity: uint32(d.number()), next: uint32(d.number()),
		modseq: d.number(), floor: d.number(), messages: int(d.number()), unseen: int(d.number()),
		deleted: int(d.number()), bytes: int64(d.number()), deletedBytes: int64(d.number()),
	}
	return st, d.err
}

// mail is a message's record.
type mail struct {
	content  uint64
	shared   bool   // there is a count of those that have this content
	prefix   uint32 // lengths: what the copy has before its content
	header   uint32 // the content's header
	body     uint32
	received int64 // milliseconds since 1970
	modseq   uint64
	flags    Flags
}

func (m *mail) size() int64 { return int64(m.prefix) + int64(m.header) + int64(m.body) }

const sharedBit = 1 << 7 // beside the system flags

func (m *mail) encode() []byte {
	e := append(make(encoder, 0, 48), recordVersion)
	bits := uint64(m.flags.System)
	if m.shared {
		bits |= sharedBit
	}
	for _, n := range []uint64{
		bits, m.content, uint64(m.prefix), uint64(m.header), uint64(m.body),
		uint64(m.received), m.modseq, uint64(len(m.flags.Keywords)),
	} {
		e.number(n)
	}
	for _, k := range m.flags.Keywords {
		e.text(k)
	}
	return e
}

func decodeMail(b []byte) (m mail, err error) {
	d := readRecord(b)
	bits := d.number()
	m.flags.System, m.shared = System(bits&^sharedBit), bits&sharedBit != 0
	m.content, m.prefix, m.header, m.body = d.number(), uint32(d.number()), uint32(d.number()), uint32(d.number())
	m.received, m.modseq = int64(d.number()), d.number()
	n := d.number()
	if n > maxKeywords {
		return m, errDamaged
	}
	for range n {
		m.flags.Keywords = append(m.flags.Keywords, d.text())
	}
	return m, d.err
}

// Expunged UIDs are kept as runs of consecutive ones.
type run struct{ from, to uint32 }

func encodeRuns(runs []run) []byte {
	e := newRecord()
	last := uint32(0)
	for _, r := range runs {
		e.number(uint64(r.from - last))
		e.number(uint64(r.to - r.from))
		last = r.to
	}
	return e
}

func decodeRuns(b []byte) ([]run, error) {
	d := readRecord(b)
	var runs []run
	last := uint32(0)
	for len(d.b) > 0 && d.err == nil {
		from := last + uint32(d.number())
		last = from + uint32(d.number())
		runs = append(runs, run{from, last})
	}
	return runs, d.err
}
