package dkim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Record is a key record as published in the DNS (RFC 6376 3.6.1).
type Record struct {
	Algorithm string   // k=, "rsa" if it is not there
	Hashes    []string // h=, empty: all
	Public    []byte   // p=, empty: the key is revoked
	Services  []string // s=, empty: all
	Flags     []string // t=
}

// Faults of a record.
var (
	ErrRecord  = errors.New("dkim: bad key record")
	ErrRevoked = errors.New("dkim: key record says that the key is revoked")
)

// ParseRecord reads a key record, the strings of the TXT record put together.
func ParseRecord(s string) (Record, error) {
	tags, err := parseTags(s)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	r := Record{Algorithm: RSA.String()}
	keyed := false
	for i, t := range tags {
		switch t.name {
		case "v":
			if i != 0 || t.value != "DKIM1" {
				return Record{}, fmt.Errorf("%w: v=DKIM1 has to be its first tag", ErrRecord)
			}
		case "k":
			r.Algorithm = t.value
		case "h":
			r.Hashes = splitList(t.value)
		case "s":
			r.Services = splitList(t.value)
		case "t":
			r.Flags = splitList(t.value)
		case "p":
			keyed = true
			r.Public, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(t.value), ""))
			if err != nil {
				return Record{}, fmt.Errorf("%w: p= is no base64", ErrRecord)
			}
		}
	}
	if !keyed {
		return Record{}, fmt.Errorf("%w: without p=", ErrRecord)
	}
	return r, nil
}

func splitList(s string) []string {
	words := strings.Split(s, ":")
	for i := range words {
		words[i] = strings.Trim(words[i], " \t\r\n")
	}
	return words
}

// RecordText returns the text of the record to publish for a key.
func (k *PrivateKey) RecordText() string {
	return "v=DKIM1; k=" + k.algorithm.String() + "; p=" + k.Public()
}

// maxString is the length that one string of a TXT record can have (RFC 1035 3.3).
const maxString = 255

// ZoneLine returns the record to publish as an entry of a zone file, split into strings, which a
// resolver puts together again without anything between them. ttl is in seconds.
func (k *Key) ZoneLine(ttl int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. %d IN TXT (", k, ttl)
	for text := k.Private.RecordText(); text != ""; {
		n := min(len(text), maxString)
		fmt.Fprintf(&b, " \"%s\"", text[:n]) // nothing in it needs a backslash
		text = text[n:]
	}
	b.WriteString(" )")
	return b.String()
}
