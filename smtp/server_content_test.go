package smtp

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
	"pgregory.net/rapid"
)

// assertRegular is a body of a serverRecord that checks what Body promises.
func assertRegular(t testing.TB, name string) func(io.Reader) error {
	return func(r io.Reader) error {
		content := r.(*Body).Bytes()
		if err := message.CheckLines(content, 0); err != nil {
			t.Errorf("%s: %v in %q", name, err, content)
		}
		if len(content) > 0 && !bytes.HasSuffix(content, []byte("\r\n")) {
			t.Errorf("%s: last line not ended: %q", name, content)
		}
		return nil
	}
}

// dataReference is what RFC 5321 says about the bytes behind DATA, in the plainest way: the content
// without its stuffed dots, and what follows its end; ok is false if there is no end.
func dataReference(raw []byte) (content, rest []byte, ok bool) {
	framed := append([]byte("\r\n"), raw...)
	end := bytes.Index(framed, []byte("\r\n.\r\n"))
	if end < 0 {
		return nil, nil, false
	}
	content = bytes.ReplaceAll(framed[:end+2], []byte("\r\n."), []byte("\r\n"))
	return content[2:], framed[end+5:], true
}

// scanPieces runs a dotScanner over raw, arriving in pieces, and drops the content from the
// given round on (-1: never).
func scanPieces(raw []byte, budget *Budget, dropFrom int, sizes ...int) (content, rest []byte, ok bool, scan dotScanner) {
	in := new(serverInput)
	in.reset(budget)
	defer in.giveBack()
	in.borrow(0)
	scan = dotScanner{in: in, maxLine: 1000}
	pieces := cutPieces(raw, sizes...)
	for round := 0; ; round++ {
		if scan.next() {
			rest = bytes.Clone(in.unread())
			for _, p := range pieces {
				rest = append(rest, p...)
			}
			return bytes.Clone(in.buf[:in.kept]), rest, true, scan
		}
		if dropFrom >= 0 && round >= dropFrom {
			scan.drop()
		}
		if len(pieces) == 0 {
			return nil, nil, false, scan
		}
		space := in.space()
		if len(space) == 0 {
			in.grow(0)
			space = in.space()
		}
		n := copy(space, pieces[0])
		in.w += n
		if pieces[0] = pieces[0][n:]; len(pieces[0]) == 0 {
			pieces = pieces[1:]
		}
	}
}

func checkScan(t rapid.TB, raw []byte, dropFrom int, sizes ...int) {
	budget := NewBudget(64 << 20)
	wantContent, wantRest, wantOK := dataReference(raw)
	content, rest, ok, scan := scanPieces(raw, budget, -1, sizes...)
	if ok != wantOK || !bytes.Equal(content, wantContent) || !bytes.Equal(rest, wantRest) {
		t.Fatalf("%q in pieces of %d:\n got %q + %q %v\nwant %q + %q %v", raw, sizes, content, rest, ok, wantContent, wantRest, wantOK)
	}
	if ok && scan.doubleCR != bytes.HasSuffix(wantContent, []byte("\r\r\n")) {
		t.Fatalf("%q in pieces of %d: doubtful end: %v", raw, sizes, scan.doubleCR)
	}
	_, rest, ok, scan = scanPieces(raw, budget, dropFrom, sizes...)
	if ok != wantOK || !bytes.Equal(rest, wantRest) {
		t.Fatalf("%q in pieces of %d, dropped: %q %v, want %q %v", raw, sizes, rest, ok, wantRest, wantOK)
	}
	if ok && scan.doubleCR != bytes.HasSuffix(wantContent, []byte("\r\r\n")) {
		t.Fatalf("%q in pieces of %d, dropped: doubtful end: %v", raw, sizes, scan.doubleCR)
	}
	if budget.Used() != 0 {
		t.Fatalf("%d bytes not given back", budget.Used())
	}
}

// However content is cut up on its way, the same comes out.
func TestServerContentInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{".", "\r", "\n", "\r\n", "a", "bcd", "\r\n.", "\r\n.\r\n", "\x00"}), 0, 40).Draw(t, "words")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 5).Draw(t, "sizes")
		raw := []byte(strings.Join(words, ""))
		dropFrom := rapid.IntRange(0, 9).Draw(t, "drop from")
		checkScan(t, raw, dropFrom, sizes...)
	})
}

func FuzzServerContent(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nQUIT\r\n"), uint8(3), uint8(1), uint8(0))
	f.Add([]byte("..\r\n\r\n.\r\r\n.\r\n"), uint8(1), uint8(1), uint8(2))
	f.Add([]byte("a\n.\r\n\r.\n\r\n..\r\n.\r\n"), uint8(2), uint8(7), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, one, two, dropFrom uint8) {
		checkScan(t, raw, int(dropFrom), int(one), int(two))
	})
}

// FuzzServerChunks cuts a content into chunks of BDAT and the wire into pieces; the same comes
// out, or the same refusal.
func FuzzServerChunks(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nQUIT\r\n"), uint8(5), uint8(3))
	f.Add([]byte("no end"), uint8(1), uint8(1))
	f.Add([]byte("bare\nline\r"), uint8(4), uint8(200))
	f.Fuzz(func(t *testing.T, content []byte, chunk, piece uint8) {
		var wire bytes.Buffer
		wire.WriteString("HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n")
		for _, part := range cutPieces(content, int(chunk)) {
			fmt.Fprintf(&wire, "BDAT %d\r\n%s", len(part), part)
		}
		wire.WriteString("BDAT 0 LAST\r\nQUIT\r\n")
		record := &serverRecord{}
		var got []byte
		record.body = func(r io.Reader) error {
			got = bytes.Clone(r.(*Body).Bytes())
			return nil
		}
		cfg := ServerConfig{MaxCommands: 1 << 30, MaxLineLength: 1 << 30}
		nc := runScript(&Server{Backend: record, Config: cfg}, cutPieces(wire.Bytes(), int(piece))...)
		want := content
		if len(content) > 0 && content[len(content)-1] != '\n' {
			want = append(bytes.Clone(content), "\r\n"...)
		}
		codes := replyCodes(nc.output())
		result := codes[len(codes)-2]
		if regular := message.CheckLines(want, 0) == nil; regular != (result == "250") || regular && !bytes.Equal(got, want) {
			t.Fatalf("%q in chunks of %d: %s, content %q, want %q", content, chunk, result, got, want)
		}
	})
}

func TestServerNormalForm(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a\r\n", "a\r\n"},
		{"a\nb\n", "a\r\nb\r\n"},
		{"a\r\r\n", "a\r\n"},
		{"a\rb\r\n", "a b\r\n"},
		{"\n\n", "\r\n\r\n"},
		{"a\x00\r\x00\n", "a   \r\n"},
		{"no end\r", "no end "},
	} {
		if got := string(appendNormal(nil, []byte(c.in))); got != c.want || normalSize([]byte(c.in)) < len(got) {
			t.Errorf("normal form of %q is %q, want %q; size %d", c.in, got, c.want, normalSize([]byte(c.in)))
		}
	}
}
