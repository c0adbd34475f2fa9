package inbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/posthaste-mta/posthaste/message"
)

// DKIM is what the signatures of a message prove (RFC 6376).
type DKIM struct {
	// Signatures are in the order of the message, at most as many as configured.
	Signatures []Signature
	// Ignored is how many more there are.
	Ignored int
}

// Value is that of all signatures together: the best of them, None without any.
func (d DKIM) Value() Value {
	for _, v := range []Value{Pass, TempError, Fail, Policy, PermError} {
		for _, s := range d.Signatures {
			if s.Value == v {
				return v
			}
		}
	}
	return None
}

// Signature is one DKIM-Signature field. What it says of itself is as the sender wrote it.
type Signature struct {
	// Value is Pass; Fail if it does not fit the message, has expired or is too weak (RFC 8301); Policy for the tag l,
	// by which anybody may append to the message; PermError without a usable key or form; TempError.
	Value     Value
	Domain    string // tag d, in lower case and as A-labels; as written where that is no domain
	Selector  string // tag s
	Algorithm string // tag a
	// Start is the start of the signature itself, to tell several apart (RFC 6008).
	Start  string
	Reason string
}

// DKIM verifies the signatures of a message.
func (c *Checker) DKIM(ctx context.Context, content []byte) DKIM {
	raw := signatureFields(content)
	res := DKIM{Ignored: max(0, len(raw)-c.cfg.MaxSignatures)}
	for _, f := range raw[:len(raw)-res.Ignored] {
		res.Signatures = append(res.Signatures, readSignature(f.Value(content)))
	}
	if len(res.Signatures) == 0 {
		return res
	}
	if why := tooDear(content, raw[:len(res.Signatures)]); why != "" {
		res.all(PermError, why)
		return res
	}
	r := &contentReader{ctx: ctx, parts: parts(content)}
	// The library takes a bufio.Reader as it is. Without one it would get the body in a single piece and make
	// two copies of it.
	verified, err := dkim.VerifyWithOptions(bufio.NewReaderSize(r, min(max(len(content), minRead), maxRead)),
		&dkim.VerifyOptions{LookupTXT: keyLookup{ctx, c.cfg.Resolver}.txt, MaxVerifications: c.cfg.MaxSignatures})
	switch {
	case ctx.Err() != nil:
		res.all(TempError, "out of time")
	case err != nil && !errors.Is(err, dkim.ErrTooManySignatures) || len(verified) != len(res.Signatures):
		res.all(PermError, "the message could not be read")
	default:
		for i, v := range verified {
			res.Signatures[i].judge(v.Err)
		}
	}
	return res
}

// all gives all signatures the same result.
func (d *DKIM) all(v Value, why string) {
	for i := range d.Signatures {
		d.Signatures[i].Value, d.Signatures[i].Reason = v, why
	}
}

func signatureFields(content []byte) (out []message.Field) {
	for f := range message.Fields(content) {
		if f.Is(content, "DKIM-Signature") {
			out = append(out, f)
		}
	}
	return out
}

// readSignature returns what a signature says of itself.
func readSignature(value []byte) Signature {
	var s Signature
	for len(value) > 0 {
		var tag []byte
		tag, value, _ = bytes.Cut(value, []byte(";"))
		name, text, _ := bytes.Cut(tag, []byte("="))
		switch string(bytes.TrimSpace(name)) {
		case "d":
			s.Domain = squeeze(text, 255)
			if d, err := message.ParseDomain(s.Domain, true); err == nil {
				s.Domain = d
			}
		case "s":
			s.Selector = squeeze(text, 253)
		case "a":
			s.Algorithm = squeeze(text, 20)
		case "b":
			s.Start = squeeze(text, 8)
		}
	}
	return s
}

// squeeze returns the first limit characters of b without white space.
func squeeze(b []byte, limit int) string {
	out := make([]byte, 0, min(len(b), limit))
	for _, c := range b {
		if len(out) == limit {
			break
		}
		if c > ' ' {
			out = append(out, c)
		}
	}
	return string(out)
}

// judge turns the library's words on a signature into a result.
func (s *Signature) judge(err error) {
	if err == nil {
		s.Value = Pass
		return
	}
	s.Reason = message.CleanLine(strings.ReplaceAll(err.Error(), "dkim: ", ""), maxReason)
	has := func(words string) bool { return strings.Contains(s.Reason, words) }
	switch {
	case dkim.IsTempFail(err):
		s.Value, s.Reason = TempError, "key unavailable for now"
	case has("body length"):
		s.Value = Policy
	case !dkim.IsPermFail(err), has("expired"), has("too weak"), has("too short"):
		s.Value = Fail
	default:
		s.Value = PermError
	}
	for _, short := range []string{"no key for signature", "signature did not verify"} {
		if has(short) { // the rest is about our DNS, or says the same again
			s.Reason = short
		}
	}
}

// maxKeyRecord bounds a key record, in octets: enough for RSA keys of 12,000 bits. The work with a key grows with
// the square of its length.
const maxKeyRecord = 2 << 10

// keyLookup asks for key records as the library wants it.
type keyLookup struct {
	ctx context.Context
	dns Resolver
}

func (k keyLookup) txt(name string) ([]string, error) {
	texts, err := k.dns.LookupTXT(k.ctx, name)
	if err != nil {
		return nil, bare(err, name)
	}
	for _, t := range texts {
		if len(t) > maxKeyRecord {
			return nil, &net.DNSError{Err: "key record is too long", Name: name}
		}
	}
	return texts, nil
}

// minRead and maxRead bound the pieces in which the library gets a message, in octets.
const (
	minRead = 4 << 10
	maxRead = 64 << 10
)

// parts returns the header of content, an empty line and the body. A line that is no field ends the header as it
// does for all of us, so that no two readers see different fields.
func parts(content []byte) [3][]byte {
	end := message.HeaderEnd(content)
	gap := []byte("\r\n")
	if !bytes.HasSuffix(content[:end], []byte("\n")) { // cut off in the last field
		gap = []byte("\r\n\r\n")
	}
	return [3][]byte{content[:end], gap, bytes.TrimPrefix(content[end:], []byte("\r\n"))}
}

// contentReader reads the parts. It ends early when ctx does: with io.EOF, since upon an error the
// library would leave goroutines behind.
type contentReader struct {
	ctx   context.Context
	parts [3][]byte
	at    int
}

func (r *contentReader) Read(p []byte) (int, error) {
	for ; r.at < len(r.parts) && r.ctx.Err() == nil; r.at++ {
		if n := copy(p, r.parts[r.at]); n > 0 {
			r.parts[r.at] = r.parts[r.at][n:]
			return n, nil
		}
	}
	return 0, io.EOF
}
