package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// ErrBadRecord is wrapped by every error of DecodeEnvelope and DecodeRecipients.
var ErrBadRecord = errors.New("message: damaged record")

// The records start with a version, so that a later release can add fields and still read a queue
// that an earlier one left. A reader refuses a version it does not know rather than guess.
const (
	envelopeVersion   = 2 // 1 had no Origin.AuthName
	recipientsVersion = 1
)

// StatusTextLimit is how many bytes of a status's text are kept with a recipient.
const StatusTextLimit = 512

// Bits of the envelope's flag byte.
const (
	envUTF8 = 1 << iota
	envRequireTLS
	envFlagsEnd
)

// Bits of a recipient's flag byte. What most recipients lack costs them nothing.
const (
	rcptHasDomain   = 1 << iota // else it is DomainOf(Address)
	rcptHasNotify               // else 0
	rcptHasOriginal             // OriginalType and Original follow
	rcptHasLast                 // Last follows
	rcptLastRemote
	rcptFlagsEnd
)

// AppendEnvelope appends e in its binary form to b.
func AppendEnvelope(b []byte, e *Envelope) []byte {
	var flags byte
	if e.UTF8 {
		flags |= envUTF8
	}
	if e.RequireTLS {
		flags |= envRequireTLS
	}
	b = append(b, envelopeVersion, flags, byte(e.Body), byte(e.Return), byte(e.Class))
	b = binary.BigEndian.AppendUint64(b, uint64(e.ID))
	b = binary.AppendVarint(b, e.Size)
	b = appendTime(b, e.ArrivedAt)
	b = appendAddr(b, e.Origin.Client)
	b = appendString(b, e.Sender)
	b = appendString(b, e.EnvelopeID)
	b = appendString(b, e.MessageID)
	b = appendString(b, e.Tenant)
	b = appendString(b, e.Origin.Listener)
	b = appendString(b, e.Origin.Protocol)
	b = appendString(b, e.Origin.HELO)
	b = appendString(b, e.Origin.SessionID)
	return appendString(b, e.Origin.AuthName)
}

// DecodeEnvelope reads what AppendEnvelope wrote; nothing may follow it. Times come back in UTC.
// It keeps nothing of b.
func DecodeEnvelope(b []byte) (*Envelope, error) {
	d := decoder{rest: string(b)} // the one copy: all strings of the envelope point into it
	version := d.byte()
	if version < 1 || version > envelopeVersion {
		return nil, fmt.Errorf("%w: envelope of version %d", ErrBadRecord, version)
	}
	e := &Envelope{}
	flags := d.byte()
	e.UTF8 = flags&envUTF8 != 0
	e.RequireTLS = flags&envRequireTLS != 0
	e.Body, e.Return, e.Class = BodyType(d.byte()), Return(d.byte()), Class(d.byte())
	if flags >= envFlagsEnd || e.Body > BodyBinary || e.Return > ReturnFull || e.Class >= NumClasses {
		return nil, fmt.Errorf("%w: envelope with a value out of range", ErrBadRecord)
	}
	e.ID = ID(d.uint64())
	e.Size = d.varint()
	e.ArrivedAt = d.time()
	e.Origin.Client = d.addr()
	e.Sender = d.string()
	e.EnvelopeID = d.string()
	e.MessageID = d.string()
	e.Tenant = d.string()
	e.Origin.Listener = d.string()
	e.Origin.Protocol = d.string()
	e.Origin.HELO = d.string()
	e.Origin.SessionID = d.string()
	if version >= 2 {
		e.Origin.AuthName = d.string()
	}
	if d.bad || d.rest != "" {
		return nil, fmt.Errorf("%w: envelope cut short or too long", ErrBadRecord)
	}
	return e, nil
}

// AppendRecipients appends r in its binary form to b. The texts of statuses are cleaned and cut
// to StatusTextLimit; all else comes back as it was.
func AppendRecipients(b []byte, r []Recipient) []byte {
	start := len(b)
	b = append(b, recipientsVersion, 0, 0, 0, 0) // the length of what follows, filled in below
	b = binary.AppendUvarint(b, uint64(len(r)))
	for i := range r {
		b = appendRecipient(b, &r[i])
	}
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-5))
	return b
}

func appendRecipient(b []byte, r *Recipient) []byte {
	var flags byte
	if r.Domain != DomainOf(r.Address) {
		flags |= rcptHasDomain
	}
	if r.Notify != 0 {
		flags |= rcptHasNotify
	}
	if r.OriginalType != "" || r.Original != "" {
		flags |= rcptHasOriginal
	}
	if r.Last != (Status{}) {
		flags |= rcptHasLast
	}
	if r.Last.Remote {
		flags |= rcptLastRemote
	}
	b = append(b, flags)
	b = appendString(b, r.Address)
	if flags&rcptHasDomain != 0 {
		b = appendString(b, r.Domain)
	}
	if flags&rcptHasNotify != 0 {
		b = append(b, byte(r.Notify))
	}
	if flags&rcptHasOriginal != 0 {
		b = appendString(b, r.OriginalType)
		b = appendString(b, r.Original)
	}
	if flags&rcptHasLast != 0 {
		b = binary.AppendVarint(b, int64(r.Last.Code))
		for _, n := range r.Last.Enhanced {
			b = binary.AppendVarint(b, int64(n))
		}
		b = appendString(b, CleanText(r.Last.Text, StatusTextLimit))
	}
	return b
}

// DecodeRecipients reads what AppendRecipients wrote and returns the bytes that follow it. It
// keeps nothing of b in the recipients.
func DecodeRecipients(b []byte) (r []Recipient, rest []byte, err error) {
	if len(b) < 5 || b[0] != recipientsVersion {
		return nil, nil, fmt.Errorf("%w: no recipients of a known version", ErrBadRecord)
	}
	n := uint64(binary.BigEndian.Uint32(b[1:]))
	if n > uint64(len(b)-5) {
		return nil, nil, fmt.Errorf("%w: recipients cut short", ErrBadRecord)
	}
	d := decoder{rest: string(b[5 : 5+n])}
	count := d.uvarint()
	// Each takes two bytes at least: a damaged count cannot make us allocate without measure.
	if count > uint64(len(d.rest))/2 {
		return nil, nil, fmt.Errorf("%w: %d recipients in %d bytes", ErrBadRecord, count, n)
	}
	if count > 0 {
		r = make([]Recipient, count)
	}
	for i := range r {
		d.recipient(&r[i])
	}
	if d.bad || d.rest != "" {
		return nil, nil, fmt.Errorf("%w: recipients cut short or too long", ErrBadRecord)
	}
	return r, b[5+n:], nil
}

func (d *decoder) recipient(r *Recipient) {
	flags := d.byte()
	if flags >= rcptFlagsEnd {
		d.fail()
	}
	r.Address = d.string()
	if flags&rcptHasDomain != 0 {
		r.Domain = d.string()
	} else {
		r.Domain = DomainOf(r.Address)
	}
	if flags&rcptHasNotify != 0 {
		r.Notify = Notify(d.byte())
	}
	if flags&rcptHasOriginal != 0 {
		r.OriginalType = d.string()
		r.Original = d.string()
	}
	if flags&rcptHasLast != 0 {
		r.Last.Code = int(d.varint())
		for i := range r.Last.Enhanced {
			r.Last.Enhanced[i] = int(d.varint())
		}
		r.Last.Text = d.string()
	}
	r.Last.Remote = flags&rcptLastRemote != 0
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendTime keeps the instant to the nanosecond, and the zero time as itself.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

func appendAddr(b []byte, a netip.Addr) []byte {
	at := len(b)
	b = append(b, 0)
	b, _ = a.AppendBinary(b) // never fails
	if n := len(b) - at - 1; n <= 255 {
		b[at] = byte(n)
		return b
	}
	b[at] = 16 // a zone longer than any interface's name: the address is worth more than the record
	return b[:at+17]
}
