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

// checkContent sends a message and takes it again.
func checkContent(t interface{ Fatalf(string, ...any) }, content []byte) {
	var wire bytes.Buffer
	w := bufio.NewWriterSize(&wire, 16)
	writeContent(w, content)
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
		checkContent(t, []byte(strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")))
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
				writeContent(w, content)
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
