package message

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Each story is a message, "|" before each line of what becomes of it, or the reason why nothing does. An accent
// stands for two bytes, as UTF-8 has it.
func TestToSevenBit(t *testing.T) {
	for _, story := range sevenBitStories {
		t.Run(story.name, func(t *testing.T) {
			in := []byte(crlf(story.in))
			out, err := ToSevenBit(in)
			if story.err != "" {
				if !errors.Is(err, story.err) {
					t.Errorf("got %q, %v", out, err)
				}
				return
			}
			if want := crlf(story.out); err != nil || string(out) != want {
				t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
			}
			checkSevenBit(t, in, out)
		})
	}
}

func crlf(s string) string { return strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n") }

var sevenBitStories = []struct {
	name, in, out string
	err           Unconvertible
}{
	{name: "text", in: `
Subject: hello
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
To: bob

grüße, 1+1=2 and a blank at the end 
-- 
ann
`, out: `
Subject: hello
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable
To: bob

gr=C3=BC=C3=9Fe, 1+1=3D2 and a blank at the end=20
=2D-=20
ann
`},
	{name: "text that is mostly 8-bit", in: `
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Привет, мир! Привет, мир! Привет, мир! Привет, мир!
`, out: `
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

0J/RgNC40LLQtdGCLCDQvNC40YAhINCf0YDQuNCy0LXRgiwg0LzQuNGAISDQn9GA0LjQstC10YIs
INC80LjRgCEg0J/RgNC40LLQtdGCLCDQvNC40YAhDQo=
`},
	{name: "from before MIME", in: `
Subject: hello

café
`, out: `
Subject: hello
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

caf=C3=A9
`},
	{name: "from before MIME, in an unknown charset", in: "Subject: hello\n\na caf\xe9\n", out: `
Subject: hello
MIME-Version: 1.0
Content-Type: text/plain; charset=unknown-8bit
Content-Transfer-Encoding: quoted-printable

a caf=E9
`},
	{name: "a type without a version", in: `
Content-Type: text/html

<p>café</p>
`, out: `
Content-Type: text/html
MIME-Version: 1.0
Content-Transfer-Encoding: quoted-printable

<p>caf=C3=A9</p>
`},
	{name: "no type named", in: "MIME-Version: 1.0\n\ncafé\n", out: `
MIME-Version: 1.0
Content-Transfer-Encoding: quoted-printable

caf=C3=A9
`},
	{name: "parts", in: `
MIME-Version: 1.0
Content-Transfer-Encoding: 8bit
Content-Type: multipart/mixed;
	boundary="outer" (a comment)

This is for readers without MIME: é
--outer
Content-Type: multipart/alternative; boundary=inner
content-transfer-encoding: BINARY

--inner

thé plain
--inner
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

caf=C3=A9=
--inner--
--outer  
Content-Type: image/x-small
Content-Transfer-Encoding: 8bit (all of it)

ééé
--outer
Content-Transfer-Encoding: 8bit

all ASCII

--outer
Content-Type: text/plain
Content-Transfer-Encoding: base64

Y2Fmw6k=
--outer--
The end: à demain, a soft line break has to come in a line as long as this one is
`, out: `
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Content-Type: multipart/mixed;
	boundary="outer" (a comment)

This is for readers without MIME: =C3=A9
--outer
Content-Type: multipart/alternative; boundary=inner
Content-Transfer-Encoding: 7bit

--inner
Content-Transfer-Encoding: quoted-printable

th=C3=A9 plain
--inner
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

caf=C3=A9=
--inner--
--outer  
Content-Type: image/x-small
Content-Transfer-Encoding: base64

w6nDqcOp
--outer
Content-Transfer-Encoding: 7bit

all ASCII

--outer
Content-Type: text/plain
Content-Transfer-Encoding: base64

Y2Fmw6k=
--outer--
The end: =C3=A0 demain, a soft line break has to come in a line as long as =
this one is
`},
	{name: "enclosed messages", in: `
MIME-Version: 1.0
Content-Type: multipart/digest; boundary=b
Content-Transfer-Encoding: 8bit

--b

Subject: one

été
--b
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

MIME-Version: 1.0
Content-Type: application/json
Content-Transfer-Encoding: 8bit

"é"
--b--
`, out: `
MIME-Version: 1.0
Content-Type: multipart/digest; boundary=b
Content-Transfer-Encoding: 7bit

--b

Subject: one
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

=C3=A9t=C3=A9
--b
Content-Type: message/rfc822
Content-Transfer-Encoding: 7bit

MIME-Version: 1.0
Content-Type: application/json
Content-Transfer-Encoding: base64

IsOpIg==
--b--
`},
	{name: "without its last delimiter", in: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/mixed; boundary=i

--i
Content-Type: text/plain

the café
--o

x
`, out: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/mixed; boundary=i

--i
Content-Type: text/plain
Content-Transfer-Encoding: quoted-printable

the caf=C3=A9
--o

x
`},
	// A line that is cut must not begin with what is a delimiter, nor may an escape make one.
	{name: "delimiters by accident", in: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b=3D"

--b=3D

the longest line that an encoder keeps, and one character more than that: é--b=
--b=
--b=3D--
`, out: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b=3D"

--b=3D
Content-Transfer-Encoding: quoted-printable

the longest line that an encoder keeps, and one character more than that: =
=C3=A9--b=3D
=2D-b=3D
--b=3D--
`},
	{name: "a delimiter that looks like a field", in: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b:"

--b:
Content-Type: text/plain
--b:

hét and more
--b:--
`, out: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b:"

--b:
Content-Type: text/plain
--b:
Content-Transfer-Encoding: quoted-printable

h=C3=A9t and more
--b:--
`},
	{name: "a signed part beside others", in: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/signed; boundary=s
Content-Transfer-Encoding: 8bit

--s
Content-Transfer-Encoding: 8bit

signed
--s--
--o

the café
--o--
`, out: `
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/signed; boundary=s
Content-Transfer-Encoding: 7bit

--s
Content-Transfer-Encoding: 8bit

signed
--s--
--o
Content-Transfer-Encoding: quoted-printable

the caf=C3=A9
--o--
`},
	{name: "a report of a message that cannot be converted", in: `
MIME-Version: 1.0
Content-Type: multipart/report; boundary=r
Content-Transfer-Encoding: 8bit

--r

what happened
--r
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: a small café
To: bob

hello
--r--
`, out: `
MIME-Version: 1.0
Content-Type: multipart/report; boundary=r
Content-Transfer-Encoding: 7bit

--r

what happened
--r
Content-Type: message/global
Content-Transfer-Encoding: quoted-printable

Subject: a small caf=C3=A9
To: bob

hello
--r--
`},
	{name: "header", in: "Subject: é\n\nhello\n", err: errWideHeader},
	{name: "part's header", in: mixed("Content-Description: é\n\nhello\n"), err: errWideHeader},
	{name: "enclosed header", in: mixed("Content-Type: message/rfc822\n\nSubject: é\n\nhello\n"), err: errWideHeader},
	{name: "no blank line", in: "Subject: x\nhé\n", err: errHeaderEnd},
	{name: "enclosed body without header", in: mixed("Content-Type: message/rfc822\n\nhé\n"), err: errHeaderEnd},
	{name: "two types", in: mixed("Content-Type: text/plain\nContent-Type: image/png\n\né\n"), err: errTwoTypes},
	{name: "two encodings", in: mixed("Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: base64\n\né\n"), err: errTwoTypes},
	{name: "signed", in: "Content-Type: multipart/signed; boundary=b\n\n--b\n\né\n--b--\n", err: errSigned},
	{name: "no boundary", in: "Content-Type: multipart/mixed\n\n--b\n\né\n--b--\n", err: errBoundary},
	{name: "two boundaries", in: "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--b\n\né\n--b--\n", err: errBoundary},
	{name: "another boundary", in: "Content-Type: multipart/mixed; boundary=a\n\n--b\n\né\n--b--\n", err: errBoundary},
	{name: "an inner boundary that is the outer", in: mixed("Content-Type: multipart/mixed; boundary=b\n\né\n"), err: errBoundary},
	{name: "an encoded multipart", in: "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\né\n--b--\n", err: errContainer},
	{name: "an encoded message", in: mixed("Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nA: b\n\né\n"), err: errContainer},
	{name: "encoded and not", in: mixed("Content-Transfer-Encoding: quoted-printable\n\né\n"), err: errEncoded},
	{name: "unknown encoding", in: mixed("Content-Transfer-Encoding: x-yenc\n\né\n"), err: errUnknown},
	{name: "fragment", in: mixed("Content-Type: message/partial; id=a; number=1\n\né\n"), err: errFragment},
	{name: "depth", in: strings.Repeat("Content-Type: message/rfc822\n\n", 101) + "A: b\n\né\n", err: errDepth},
	{name: "number", in: "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\né\n", 10_001) + "--b--\n", err: errParts},
}

// mixed puts one part into a multipart.
func mixed(part string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" + part + "--b--\n"
}

func TestToSevenBitLeaves7BitAlone(t *testing.T) {
	for _, in := range []string{"", "x", string(typical), "Content-Transfer-Encoding: 8bit\r\n\r\nhello\r\n"} {
		out, err := ToSevenBit([]byte(in))
		if err != nil || string(out) != in {
			t.Errorf("%q: got %q, %v", in, out, err)
		}
	}
	if out, _ := ToSevenBit(typical); &out[0] != &typical[0] {
		t.Error("a copy was made")
	}
}

func TestParseMedia(t *testing.T) {
	for in, want := range map[string]media{
		"":                             {"text", "plain", ""},
		"text":                         {"text", "plain", ""},
		"TEXT/Html; charset=x":         {"text", "html", ""},
		"(a (b) \\) c) image / (d)png": {"image", "png", ""},
		"multipart/mixed":              {"multipart", "mixed", ""},
		"multipart/mixed; Boundary=a":  {"multipart", "mixed", "a"},
		"multipart/mixed; a=\"; boundary=x\"; boundary=\"b c\" ; d=e": {"multipart", "mixed", "b c"},
		"multipart/mixed;\r\n\tboundary=\"----=_Part_1:2\"":           {"multipart", "mixed", "----=_Part_1:2"},
		"multipart/mixed; boundary=----=_Part_1":                      {"multipart", "mixed", "----=_Part_1"},
		"multipart/mixed;; boundary=a;":                               {"multipart", "mixed", "a"},
		"multipart/mixed; boundary=a; boundary=a":                     {"multipart", "mixed", "a"},
		"multipart/mixed; boundary=a; boundary=b":                     {"multipart", "mixed", ""},
		"multipart/mixed; boundary=a b":                               {"multipart", "mixed", ""},
		"multipart/mixed; boundary=\"a":                               {"multipart", "mixed", ""},
		"multipart/mixed; boundary=\"a\\b\"":                          {"multipart", "mixed", ""},
		"multipart/mixed; boundary=\"\"":                              {"multipart", "mixed", ""},
		"multipart/mixed; boundary":                                   {"multipart", "mixed", ""},
		"multipart/mixed; boundary*=us-ascii''a":                      {"multipart", "mixed", ""},
		"multipart/mixed; boundary=" + strings.Repeat("a", 1001):      {"multipart", "mixed", ""},
	} {
		if got := parseMedia([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// What is nested, or repeated, to keep us busy costs no more than its length.
func BenchmarkToSevenBit(b *testing.B) {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	var nested strings.Builder
	for i := range maxPartDepth - 2 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=%s%d\n\n--%[1]s%[2]d\n", strings.Repeat("b", 900), i)
	}
	for name, in := range map[string]string{
		"german":     "A: b\n\n" + fill("Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.\n"),
		"russian":    "A: b\n\n" + fill("Съешь же ещё этих мягких французских булок, да выпей чаю.\n"),
		"image":      "MIME-Version: 1.0\nContent-Type: image/x\n\n" + fill("\xff\x00\x80\x01"),
		"delimiters": nested.String() + "\n" + fill("--"+strings.Repeat("b", 900)+"\n") + "é\n",
		"messages":   strings.Repeat("Content-Type: message/rfc822\n\n", 99) + "A: b\n\n" + fill("x\n") + "é\n",
		"parts":      "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n\xff\n", 9000) + "--b--\n",
	} {
		content := []byte(crlf(in))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if out, err := ToSevenBit(content); err != nil || bytes.Equal(out, content) {
					b.Fatal(err)
				}
			}
		})
	}
}
