package mailbox

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"
)

// sequence is a source of items.
func sequence(items ...Item) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func collect(t testing.TB, items iter.Seq2[Item, error]) (all []Item) {
	t.Helper()
	for item, err := range items {
		must(t, err)
		all = append(all, item)
	}
	return all
}

func TestMboxLooksSo(t *testing.T) {
	var b bytes.Buffer
	n, err := WriteMbox(&b, sequence(
		Item{Folder: inbox, Received: noon, Flags: Flags{System: Seen | Answered, Keywords: []string{"$MDNSent", "x y%"}},
			Content: []byte("Return-Path: <bob@example.com>\r\nSubject: a\r\n\r\nFrom here\r\n>From there\r\nFromage\r\n")},
		Item{Folder: "Work/Grüße", Received: noon, Content: []byte("Subject: b\n\nno end")},
	))
	must(t, err)
	same(t, n, 2)
	same(t, b.String(), `From bob@example.com Sun Mar  1 12:00:00 2026
Status: RO
X-Status: A
X-Keywords: $MDNSent x%20y%25
X-Folder: INBOX
X-Lines: crlf
Return-Path: <bob@example.com>
Subject: a

>From here
>>From there
Fromage

From MAILER-DAEMON Sun Mar  1 12:00:00 2026
Status: O
`+"X-Status: \nX-Keywords: \n"+`X-Folder: Work/Grüße
X-Lines: as is, without end
Subject: b

no end

`)
}

func TestMboxOfOthers(t *testing.T) {
	mutt := "\n" + `From bob@example.com  Sun Mar  1 12:00:00 2026 +0100
Subject: one
Status: RO
X-Status: AF

>From here
>>From there
From the middle

From ann@example.com Sun Mar 01 12:00:00 2026
Subject: two

no end`
	all := collect(t, ReadMbox(iotest.OneByteReader(strings.NewReader(mutt)), 0))
	same(t, all, []Item{
		{Received: noon.Add(-time.Hour), Flags: Flags{System: Seen | Answered | Flagged},
			Content: []byte("Subject: one\r\nStatus: RO\r\nX-Status: AF\r\n\r\nFrom here\r\n>From there\r\nFrom the middle\r\n")},
		{Received: noon, Content: []byte("Subject: two\r\n\r\nno end")},
	})
	same(t, len(collect(t, ReadMbox(strings.NewReader(""), 0))), 0)
	same(t, len(collect(t, ReadMbox(strings.NewReader("\r\n\n"), 0))), 0)
	same(t, collect(t, ReadMbox(strings.NewReader("From x\r\nA: b\r\n\r\n\r\nFrom y\r\n\r\n"), 0)), []Item{
		{Content: []byte("A: b\r\n\r\n")}, {Content: []byte{}},
	})
}

func TestMboxErrors(t *testing.T) {
	last := func(items iter.Seq2[Item, error]) (n int, err error) {
		for _, err = range items {
			n++
		}
		return n - 1, err
	}
	_, err := last(ReadMbox(strings.NewReader("Subject: no mbox\n\n"), 0))
	if err == nil || !strings.Contains(err.Error(), "message 1: it does not begin with a line \"From \"") {
		t.Error(err)
	}
	big := "From x\n\na\n\nFrom y\n\n" + strings.Repeat("0123456789\n", 10_000)
	n, err := last(ReadMbox(strings.NewReader(big), 10))
	wantErr(t, err, ErrLimit)
	same(t, n, 1)
	n, err = last(ReadMbox(strings.NewReader("From x\n\n"+strings.Repeat("x", 300_000)), 10))
	wantErr(t, err, ErrLimit)
	same(t, n, 0)
	_, err = last(ReadMbox(iotest.ErrReader(io.ErrUnexpectedEOF), 0))
	wantErr(t, err, io.ErrUnexpectedEOF)
	_, err = WriteMbox(io.Discard, func(yield func(Item, error) bool) { yield(Item{}, errors.ErrUnsupported) })
	wantErr(t, err, errors.ErrUnsupported)
}

// drawItem draws a message whose lines are hard to keep apart.
func drawItem(r *rapid.T) Item {
	lines := rapid.SliceOf(rapid.SampledFrom([]string{
		"\r\n", "\n", "\r", "From ", ">From x", ">", "Status: R", "X-Status: ", "X-Lines: crlf", "a: b", "text", "\xff", "From x Sun Mar  1 12:00:00 2026",
	})).Draw(r, "content")
	content := strings.Join(lines, rapid.SampledFrom([]string{"", "\r\n", "\n"}).Draw(r, "ends"))
	flags, err := Flags{
		System:   System(rapid.IntRange(0, 31).Draw(r, "flags")),
		Keywords: rapid.SliceOfN(rapid.StringMatching("[ -~é]{1,5}"), 0, 3).Draw(r, "keywords"),
	}.clean()
	if err != nil {
		r.Fatal(err)
	}
	folder := rapid.SampledFrom([]string{inbox, "Work", "Work/a.b", "Grüße & €/x", "..", "a/../b", ".x", " y "}).Draw(r, "folder")
	received := time.Unix(rapid.Int64Range(0, 1<<33).Draw(r, "time"), 0).UTC()
	return Item{Folder: folder, Content: []byte(content), Flags: flags, Received: received}
}

// Whatever is written comes back byte for byte.
func TestMboxComesBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		items := rapid.SliceOfN(rapid.Custom(drawItem), 0, 4).Draw(r, "items")
		var b bytes.Buffer
		if _, err := WriteMbox(&b, sequence(items...)); err != nil {
			r.Fatal(err)
		}
		var back []Item
		for item, err := range ReadMbox(bytes.NewReader(b.Bytes()), 0) {
			if err != nil {
				r.Fatal(err)
			}
			back = append(back, item)
		}
		if len(back) != len(items) {
			r.Fatalf("%d came back of %d:\n%s", len(back), len(items), b.String())
		}
		for i := range items {
			if string(back[i].Content) != string(items[i].Content) || !back[i].Flags.equal(items[i].Flags) ||
				back[i].Folder != items[i].Folder || !back[i].Received.Equal(items[i].Received) {
				r.Fatalf("%+v\ncame back as %+v\n%s", items[i], back[i], b.String())
			}
		}
	})
}

// FuzzMbox reads anything. What was read comes back if it is written.
func FuzzMbox(f *testing.F) {
	for _, seed := range []string{
		"", "From \n", "From x Sun Mar  1 12:00:00 2026\nA: b\n\ntext\n\nFrom y\n\n>From z\n", "From x\r\n\r\n\r\nFrom y",
		"From x\nStatus: RO\nX-Status: A\nX-Keywords: a%20b %zz\nX-Folder: INBOX\nX-Lines: as is, without end\nA: b\n\nx\n\n",
		"From x\nStatus: RO\nX-Status: A\nX-Keywords: \nX-Folder: INBOX\nX-Lines: crlf\n\n\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var items []Item
		for item, err := range ReadMbox(bytes.NewReader(data), 1<<20) {
			if err != nil {
				break
			}
			items = append(items, item)
		}
		var b bytes.Buffer
		_, err := WriteMbox(&b, sequence(items...))
		must(t, err)
		back := collect(t, ReadMbox(&b, 0))
		same(t, len(back), len(items))
		for i := range items {
			if !bytes.Equal(back[i].Content, items[i].Content) || back[i].Flags.System != items[i].Flags.System || back[i].Folder != items[i].Folder {
				t.Fatalf("%+v came back as %+v", items[i], back[i])
			}
		}
	})
}
