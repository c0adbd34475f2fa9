package message

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func anyEnvelope(t *rapid.T) *Envelope {
	text := rapid.String()
	return &Envelope{
		ID: ID(rapid.Uint64().Draw(t, "id")), Sender: text.Draw(t, "sender"),
		Body: rapid.SampledFrom([]BodyType{Body7Bit, Body8Bit, BodyBinary}).Draw(t, "body"),
		UTF8: rapid.Bool().Draw(t, "utf8"), RequireTLS: rapid.Bool().Draw(t, "requiretls"),
		Return:     rapid.SampledFrom([]Return{ReturnUnset, ReturnHeaders, ReturnFull}).Draw(t, "return"),
		EnvelopeID: text.Draw(t, "envid"), Size: rapid.Int64().Draw(t, "size"),
		ArrivedAt: rapid.SampledFrom([]time.Time{{}, time.Unix(0, 0).UTC(), time.Unix(1740821400, 123456789).UTC(), time.Unix(-1, 1).UTC()}).Draw(t, "arrived"),
		MessageID: text.Draw(t, "messageid"), Tenant: text.Draw(t, "tenant"),
		Class: Class(rapid.IntRange(0, int(NumClasses)-1).Draw(t, "class")),
		Origin: Origin{
			Listener: text.Draw(t, "listener"), Protocol: text.Draw(t, "protocol"), HELO: text.Draw(t, "helo"), SessionID: text.Draw(t, "session"), AuthName: text.Draw(t, "authname"),
			Client: rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
				netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:192.0.2.1")}).Draw(t, "client"),
		},
	}
}

func anyRecipients(t *rapid.T) []Recipient {
	text := rapid.String()
	number := rapid.IntRange(-1000, 1000)
	one := rapid.Custom(func(t *rapid.T) Recipient {
		r := Recipient{Address: text.Draw(t, "address"), Notify: Notify(rapid.Byte().Draw(t, "notify"))}
		r.Domain = rapid.SampledFrom([]string{"", "example.net", "EXAMPLE.net", DomainOf(r.Address)}).Draw(t, "domain")
		if rapid.Bool().Draw(t, "orcpt") {
			r.OriginalType, r.Original = text.Draw(t, "type"), text.Draw(t, "original")
		}
		if rapid.Bool().Draw(t, "tried") {
			r.Last = Status{Code: number.Draw(t, "code"), Text: CleanText(text.Draw(t, "text"), StatusTextLimit), Remote: rapid.Bool().Draw(t, "remote"),
				Enhanced: EnhancedCode{number.Draw(t, "class"), number.Draw(t, "subject"), number.Draw(t, "detail")}}
		}
		return r
	})
	return rapid.SliceOfN(one, 0, 10).Draw(t, "recipients")
}

func TestCodecGivesBackWhatItTook(t *testing.T) {
	sameAddr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	rapid.Check(t, func(t *rapid.T) {
		env, rcpts := anyEnvelope(t), anyRecipients(t)
		prefix, tail := []byte("kept"), []byte("rest")
		b := AppendEnvelope(prefix, env)
		got, err := DecodeEnvelope(b[len(prefix):])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(env, got, sameAddr); diff != "" {
			t.Fatal(diff)
		}
		b = append(AppendRecipients(prefix, rcpts), tail...)
		gotRcpts, rest, err := DecodeRecipients(b[len(prefix):])
		if err != nil || !bytes.Equal(rest, tail) {
			t.Fatalf("rest %q, %v", rest, err)
		}
		if diff := cmp.Diff(rcpts, gotRcpts, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestCodecRefusesDamage(t *testing.T) {
	env := AppendEnvelope(nil, &Envelope{ID: 1, Sender: "shop@a.test", ArrivedAt: time.Unix(1e9, 0)})
	rcpts := AppendRecipients(nil, []Recipient{{Address: "bob@example.net", Domain: "example.net", Last: Status{Code: 451, Text: "later"}}})
	for i := range env {
		if _, err := DecodeEnvelope(env[:i]); !errors.Is(err, ErrBadRecord) {
			t.Errorf("envelope cut to %d: %v", i, err)
		}
	}
	for i := range rcpts {
		if _, _, err := DecodeRecipients(rcpts[:i]); !errors.Is(err, ErrBadRecord) {
			t.Errorf("recipients cut to %d: %v", i, err)
		}
	}
	if _, err := DecodeEnvelope(append(env, 0)); !errors.Is(err, ErrBadRecord) {
		t.Errorf("envelope with a byte too many: %v", err)
	}
	for _, at := range []int{0, 1, 2, 3, 4} { // version, flags, body, return, class
		bad := bytes.Clone(env)
		bad[at] = 0xff
		if _, err := DecodeEnvelope(bad); !errors.Is(err, ErrBadRecord) {
			t.Errorf("envelope with byte %d damaged: %v", at, err)
		}
	}
	huge := []byte{recipientsVersion, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f} // a count of 2^63
	if _, _, err := DecodeRecipients(huge); !errors.Is(err, ErrBadRecord) {
		t.Errorf("huge count: %v", err)
	}
}

// What an earlier release wrote is read as it was meant.
func TestCodecReadsVersion1(t *testing.T) {
	now := AppendEnvelope(nil, typicalEnvelope)
	old := bytes.Clone(now[:len(now)-1]) // without the empty name
	old[0] = 1
	got, err := DecodeEnvelope(old)
	if err != nil || got.Origin != typicalEnvelope.Origin || got.Sender != typicalEnvelope.Sender {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeEnvelope(now[:len(now)-1]); err == nil {
		t.Error("a record of version 2 that is cut")
	}
}

func TestCodecCutsStatusText(t *testing.T) {
	b := AppendRecipients(nil, []Recipient{{Address: "a@b.test", Domain: "b.test", Last: Status{Code: 550, Text: "no\r\n\x1b[31m" + strings.Repeat("ü", 5000), Remote: true}}})
	r, _, err := DecodeRecipients(b)
	if err != nil || len(r[0].Last.Text) > StatusTextLimit || !strings.HasPrefix(r[0].Last.Text, "no\n?[31mü") {
		t.Errorf("%q, %v", r, err)
	}
}

// TestRecordsAreCompact keeps watch on what a queued message costs on disk beside its content.
func TestRecordsAreCompact(t *testing.T) {
	env := AppendEnvelope(nil, typicalEnvelope)
	rcpts := AppendRecipients(nil, []Recipient{{Address: "bob@example.net", Domain: "example.net"}})
	if len(env) > 140 || len(rcpts) > 25 {
		t.Errorf("envelope %d bytes, recipient %d", len(env), len(rcpts))
	}
}

var typicalEnvelope = &Envelope{
	ID: 1 << 60, Sender: "shop@a.test", Size: 4096, ArrivedAt: time.Unix(1740821400, 123456789), MessageID: "20250301093000.1@a.test",
	Origin: Origin{Listener: "submission", Protocol: "ESMTPS", HELO: "client.test", Client: netip.MustParseAddr("192.0.2.1"), SessionID: "0abcdefghjkmn"},
}

func FuzzDecodeEnvelope(f *testing.F) {
	f.Add(AppendEnvelope(nil, &Envelope{}))
	f.Add(AppendEnvelope(nil, typicalEnvelope))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := DecodeEnvelope(AppendEnvelope(nil, e))
		if err != nil || *again != *e {
			t.Fatalf("%+v, %+v, %v", e, again, err)
		}
	})
}

func FuzzDecodeRecipients(f *testing.F) {
	f.Add(AppendRecipients(nil, nil))
	f.Add(AppendRecipients(nil, []Recipient{{Address: "bob@Example.net", Domain: "example.net", Notify: NotifyDelay, OriginalType: "rfc822", Original: "x@y",
		Last: Status{451, EnhancedCode{4, 7, 1}, "later", true}}, {Address: "a", Domain: "b"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := DecodeRecipients(b)
		if err != nil {
			return
		}
		for i := range r { // a record made by hand may hold what encoding would have cleaned
			r[i].Last.Text = CleanText(r[i].Last.Text, StatusTextLimit)
		}
		again, rest, err := DecodeRecipients(AppendRecipients(nil, r))
		if err != nil || len(rest) != 0 || !cmp.Equal(r, again, cmpopts.EquateEmpty()) {
			t.Fatalf("%+v, %+v, %v", r, again, err)
		}
	})
}

func BenchmarkAppendEnvelope(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = AppendEnvelope(buf[:0], typicalEnvelope)
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	b.ReportAllocs()
	rec := AppendEnvelope(nil, typicalEnvelope)
	for b.Loop() {
		_, _ = DecodeEnvelope(rec)
	}
}

func BenchmarkDecodeRecipient(b *testing.B) {
	b.ReportAllocs()
	rec := AppendRecipients(nil, []Recipient{{Address: "bob@example.net", Domain: "example.net"}})
	for b.Loop() {
		_, _, _ = DecodeRecipients(rec)
	}
}
