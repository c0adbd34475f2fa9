package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as Go writes it: "90s", "1h30m", "5ms".
type Duration struct{ time.Duration }

// UnmarshalText reads a Go duration; a bare number has no unit and is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a duration (such as "90s", "1h30m", "5ms")`, text)
	}
	d.Duration = v
	return nil
}

// String leaves out the zero units that time.Duration prints: "5m", not "5m0s".
func (d Duration) String() string {
	s := d.Duration.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Size is a number of bytes, written "64MiB", "10MB" or as a bare number.
type Size int64

// sizeUnits are the suffixes of a size; the longest that fits is meant.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

var errSize = errors.New(`is not a size (such as "64MiB", "10MB", "512B")`)

// UnmarshalText reads a whole number with a unit, or a bare number of bytes.
func (s *Size) UnmarshalText(text []byte) error {
	digits, factor := string(text), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(digits, u.name); ok {
			digits, factor = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' || n > (1<<62)/factor {
		return fmt.Errorf("%q %w", text, errSize)
	}
	*s = Size(n * factor)
	return nil
}

// String uses the largest binary unit that leaves no rest.
func (s Size) String() string {
	unit, n := "B", int64(s)
	for _, u := range sizeUnits[:4] {
		if n != 0 && int64(s)%u.bytes == 0 {
			unit, n = u.name, int64(s)/u.bytes
		}
	}
	return strconv.FormatInt(n, 10) + unit
}

// Prefix is a range of addresses in CIDR form; a bare address is a range of one.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads "10.0.0.0/8", "2001:db8::/32" or an address.
func (p *Prefix) UnmarshalText(text []byte) error {
	s := string(text)
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		p.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	v, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf(`%q is not a network (such as "10.0.0.0/8", "2001:db8::/32", "192.0.2.1")`, s)
	}
	if v != v.Masked() {
		return fmt.Errorf("%q has bits set behind the prefix: write %s", s, v.Masked())
	}
	p.Prefix = v
	return nil
}

// prefixes returns the list as the engines take it.
func prefixes(list []Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = p.Prefix
	}
	return out
}
