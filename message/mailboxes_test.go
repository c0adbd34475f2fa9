package message

import (
	"bytes"
	"errors"
	"net/mail"
	"strings"
	"testing"
)

func TestParseMailboxes(t *testing.T) {
	for _, c := range []struct{ field, want string }{
		{"ann@a.test", "ann@a.test"},
		{"  ann@A.Test  ", "ann@a.test"},
		{"Ann <ann@a.test>", "ann@a.test"},
		{"Ann Q. Public <ann@a.test>", "ann@a.test"},
		{`"Shop, Inc. <boss@b.test>" <ann@a.test>`, "ann@a.test"},
		{`"a \" b" <ann@a.test>`, "ann@a.test"},
		{"=?utf-8?Q?J=C3=B6rg_=3Cboss=40b.test=3E?= <ann@a.test>", "ann@a.test"},
		{"Jörg <jörg@bücher.test>", "jörg@xn--bcher-kva.test"},
		{"<ann@a.test>", "ann@a.test"},
		{"(boss@b.test) Ann (x) < (y) ann@a.test (z) > (nested (and \\) quoted))", "ann@a.test"},
		{"ann@a.test (Ann)", "ann@a.test"},
		{"Ann\r\n <ann@a.test>,\r\n\tBob <bob@b.test>", "ann@a.test bob@b.test"},
		{",, ann@a.test ,, bob@b.test,", "ann@a.test bob@b.test"},
		{"Friends: ann@a.test, Bob <bob@b.test>;", "ann@a.test bob@b.test"},
		{"Friends: ann@a.test; , carol@c.test", "ann@a.test carol@c.test"},
		{"Undisclosed:;", ""},
		{"Undisclosed: (nobody) ;", ""},
		{"", ""},
		{`"ann b"@a.test`, `"ann b"@a.test`},
		{`Ann <"a>b"@a.test>`, `"a>b"@a.test`},
		{"ann@[192.0.2.1]", "ann@[192.0.2.1]"},
		{"ann@[IPv6:2001:db8::1], bob@b.test", "ann@[ipv6:2001:db8::1] bob@b.test"},

		{"Ann", "!"},
		{"Ann <ann>", "!"},
		{"Ann <ann@a.test", "!"},
		{"Ann <>", "!"},
		{"boss@b.test <ann@a.test>", "!"}, // which of the two is shown is anybody's guess
		{"ann@a.test boss@b.test", "!"},
		{"<ann@a.test> boss@b.test", "!"},
		{"<ann@a.test> <boss@b.test>", "!"},
		{"Shop, Inc. <ann@a.test>", "!"},
		{"Ann <@b.test:ann@a.test>", "!"},
		{"ann @a.test", "!"},
		{"ann@ a.test", "!"},
		{"ann . lee@a.test", "!"},
		{"Ann <ann@a.test>x", "!"},
		{"ann@a.test@b.test", "!"},
		{"A: B: ann@a.test;;", "!"},
		{"A: ann@a.test", "!"},
		{"A: ann@a.test; bob@b.test", "!"},
		{"ann@a.test;", "!"},
		{": ann@a.test;", "!"},
		{`"Ann <ann@a.test>`, "!"},
		{"(Ann ann@a.test", "!"},
		{"Ann) <ann@a.test>", "!"},
		{"Ann <ann\x00@a.test>", "!"},
		{"Ann \x00 <ann@a.test>", "!"},
		{"Ann <ann@a.test\r\n>", "ann@a.test"},
		{"Ann <ann\r\n @a.test>", "!"},
		{"\"a\r\n b\"@a.test", "!"},
		{strings.Repeat("a", 300) + "@a.test", "!"},
		{strings.Repeat("a@b.test,", maxMailboxes+1), "!"},
	} {
		list, err := ParseMailboxes([]byte(c.field))
		var got []string
		for _, a := range list {
			got = append(got, a.String())
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = "!"
			if !errors.Is(err, ErrBadMailboxes) || list != nil {
				t.Errorf("%.80q: %v with %v", c.field, err, list)
			}
		}
		if text != c.want {
			t.Errorf("%.80q: %s (%v), want %s", c.field, text, err, c.want)
		}
	}
}

// Whichever From field a program shows, its addresses are among those returned.
func TestFromAddresses(t *testing.T) {
	list, err := FromAddresses([]byte("From: ann@a.test\r\nTo: x@x.test\r\nfrom : bob@b.test\r\n\r\nFrom: body@b.test\r\n"))
	if err != nil || len(list) != 2 || list[1].Local != "bob" {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := FromAddresses([]byte("To: x@x.test\r\n\r\n")); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := FromAddresses([]byte("From: ann@a.test\r\nFrom: <broken\r\n\r\n")); err == nil {
		t.Errorf("%v", list)
	}
}

// What we read, Go's parser reads as the same mailboxes, as far as it knows the grammar.
func FuzzParseMailboxes(f *testing.F) {
	for _, s := range []string{"Ann <ann@a.test>, bob@b.test", `G: "a, b" <c@d.test>, (x) e@f.test;`, "a@[192.0.2.1]", "Jörg <j@bücher.test>", `"a b"@c.test`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, err := ParseMailboxes(b)
		if err != nil || len(ours) == 0 {
			return
		}
		for _, a := range ours {
			if _, err := ParseAddress(a.String(), true); err != nil {
				t.Fatalf("%q: %v", a, err)
			}
		}
		theirs, err := mail.ParseAddressList(string(b))
		if err != nil {
			return // it is stricter about some things
		}
		if len(theirs) != len(ours) {
			t.Fatalf("%q: %v, they read %v", b, ours, theirs)
		}
		for i, a := range theirs {
			at := strings.LastIndexByte(a.Address, '@')
			domain, err := ParseDomain(a.Address[at+1:], true)
			if err != nil || domain != ours[i].Domain {
				t.Fatalf("%q: %v, they read %v", b, ours[i], a)
			}
		}
	})
}

func BenchmarkFromAddresses(b *testing.B) {
	content := []byte("Received: by x\r\nSubject: hello\r\nFrom: \"Shop, Inc.\" <news@shop.test>\r\nTo: bob@x.test\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = FromAddresses(content)
	}
}

// Nested comments, the classic trap, cost no more than their length.
func BenchmarkParseMailboxesNested(b *testing.B) {
	value := append(bytes.Repeat([]byte("("), 1<<20), "ann@a.test"...)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		_, _ = ParseMailboxes(value)
	}
}
