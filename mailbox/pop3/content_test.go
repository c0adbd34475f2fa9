package pop3

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// receive undoes RFC 1939 3, as a client does that cuts lines at every LF, and tells what is behind the message.
func receive(t interface{ Fatalf(string, ...any) }, wire []byte) (content, rest []byte) {
	for {
		n := bytes.IndexByte(wire, '\n') + 1
		if n < 2 || wire[n-2] != '\r' {
			t.Fatalf("a line without CR LF: %q", wire)
		}
		line := wire[:n]
		wire = wire[n:]
		switch {
		case string(line) == ".\r\n":
			return content, wire
		case line[0] == '.':
			line = line[1:]
		}
		content = append(content, line...)
	}
}

// checkContent sends a message, in pieces of that size, and takes it again.
func checkContent(t interface{ Fatalf(string, ...any) }, content []byte, size int) {
	var wire bytes.Buffer
	w := bufio.NewWriterSize(&wire, 16)
	c := contentWriter{w: w}
	for _, piece := range cutPieces(content, size) {
		c.write(piece)
	}
	c.end()
	_ = w.Flush()
	// What every line end has become; nothing else may have changed.
	want := bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if len(want) > 0 && want[len(want)-1] != '\n' {
		want = append(want, "\r\n"...)
	}
	got, rest := receive(t, wire.Bytes())
	if !bytes.Equal(got, want) || len(rest) > 0 {
		t.Fatalf("%q\ngoes out as %q,\nwhich is   %q and %q", content, wire.Bytes(), got, rest)
	}
}

// Whatever is in a message, the client gets it, and nothing of it is taken for the end.
func TestContentProperty(t *testing.T) {
	piece := rapid.SampledFrom([]string{"\r\n", "\r", "\n", ".", "a", "\xff", strings.Repeat("x", 40)})
	rapid.Check(t, func(t *rapid.T) {
		content := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		checkContent(t, []byte(content), rapid.IntRange(1, 50).Draw(t, "size"))
	})
}

// checkTop compares the top of a message with what it is by its lines.
func checkTop(t interface{ Fatalf(string, ...any) }, content []byte, lines, size int) {
	var want []byte
	inBody := false
	left := lines
	for line := range bytes.Lines(content) {
		if inBody && left == 0 {
			break
		}
		if inBody {
			left--
		}
		inBody = inBody || string(line) == "\r\n" || string(line) == "\n"
		want = append(want, line...)
	}
	var got []byte
	s := topScanner{lines: lines}
	for _, piece := range cutPieces(content, size) {
		n, done := s.take(piece)
		got = append(got, piece[:n]...)
		if done {
			break
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("the top of %q with %d lines is %q, want %q", content, lines, got, want)
	}
}

func TestTopProperty(t *testing.T) {
	piece := rapid.SampledFrom([]string{"\r\n", "\r", "\n", "a"})
	rapid.Check(t, func(t *rapid.T) {
		content := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		checkTop(t, []byte(content), rapid.IntRange(0, 5).Draw(t, "lines"), rapid.IntRange(1, 9).Draw(t, "size"))
	})
}

// BenchmarkContent sends a message of 64 KiB in lines of text, and the same with a dot before each line.
func BenchmarkContent(b *testing.B) {
	for _, kind := range []struct{ name, line string }{
		{"text", strings.Repeat("t", 74) + "\r\n"},
		{"dots", "." + strings.Repeat("t", 73) + "\r\n"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			content := []byte(strings.Repeat(kind.line, 64<<10/76))
			w := bufio.NewWriterSize(discard{}, lineSize)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				c := contentWriter{w: w}
				c.write(content)
				c.end()
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// arrived is what a client has of a message: with a line end.
func arrived(m string) string {
	if !strings.HasSuffix(m, "\r\n") {
		m += "\r\n"
	}
	return m
}
