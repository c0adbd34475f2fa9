package message

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// decoder reads the binary form of a record from its front. After the first fault it returns
// zeros and bad stays true, so that the caller looks once, at the end. Strings it returns are
// parts of the record's one copy.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) fail() {
	d.bad = true
	d.rest = ""
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) byte() byte {
	s := d.take(1)
	if s == "" {
		return 0
	}
	return s[0]
}

func (d *decoder) uint64() uint64 {
	var v uint64
	for _, c := range []byte(d.take(8)) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for i := 0; i < binary.MaxVarintLen64 && i < len(d.rest); i++ {
		c := d.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break // more than 64 bits
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

func (d *decoder) time() time.Time {
	sec, nsec := d.varint(), d.uvarint()
	if nsec >= 1e9 {
		d.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

func (d *decoder) addr() netip.Addr {
	var a netip.Addr
	if err := a.UnmarshalBinary([]byte(d.take(uint64(d.byte())))); err != nil {
		d.fail()
	}
	return a
}
