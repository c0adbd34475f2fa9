package pop3

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// clientSide returns what the client sends in a dialogue of testdata.
func clientSide(text string) []byte {
	var b []byte
	for line := range strings.SplitSeq(text, "\n") {
		switch kind, rest, _ := strings.Cut(line, ": "); {
		case kind == "C" && !strings.HasPrefix(rest, "("):
			b = append(b, rest+"\r\n"...)
		case kind == "R":
			raw, err := strconv.Unquote(rest)
			if err != nil {
				panic(err)
			}
			b = append(b, raw...)
		}
	}
	return b
}

// oneReply is the first line of a reply (RFC 1939 3, RFC 2449 4, RFC 5034 4).
var oneReply = regexp.MustCompile(`^(?:\+OK(?: [ -~]+)?|-ERR (?:\[[A-Z/-]+\] )?[ -~]+|\+ [A-Za-z0-9+/=]*)\r\n$`)

// listReply is that of LIST and RETR.
var listReply = regexp.MustCompile(`^\+OK [0-9]+ (messages \(|octets)`)

// FuzzSession feeds a session with anything. It must come to an end, in well-formed replies, and give the
// maildrop back; the pieces in which the input comes must not matter; and only what was marked and not
// unmarked may be gone, after QUIT alone.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no dialogues:", err)
	}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(clientSide(string(text)), uint8(i))
	}
	f.Fuzz(func(t *testing.T, input []byte, piece uint8) {
		play := func(pieces [][]byte) (output string, left int) {
			b := newInbox("a: b\r\n\r\nc\r\n", ".\r\n..\r\n.", "", "x\n.\n\xff")
			output = runScript(testConfig(), b, pieces...).output()
			if !b.free() {
				t.Fatal("the maildrop was not given back")
			}
			return output, len(b.UIDs())
		}
		output, left := play([][]byte{input})
		checkReplies(t, output)
		marks := strings.Count(output, replyMarked)
		if 4-left > marks || left < 4 && !strings.HasSuffix(output, replyBye) {
			t.Fatalf("%d messages left after\n%s", left, output)
		}
		if output2, left2 := play(cutPieces(input, int(piece))); output2 != output || left2 != left {
			t.Fatalf("at once:\n%s\n%d left\nin pieces of %d:\n%s\n%d left", output, left, piece, output2, left2)
		}
	})
}

// checkReplies reads replies, as a client that knows which of them have more lines by their first.
func checkReplies(t *testing.T, output string) {
	inList := false
	for line := range strings.Lines(output) {
		switch {
		case inList:
			inList = line != replyListEnd
		case !oneReply.MatchString(line):
			t.Fatalf("reply %q in\n%s", line, output)
		default:
			inList = line == replyCapa || line == replyMechanisms || line == replyUIDL || line == replyTop || listReply.MatchString(line)
		}
		if len(line) > 512 {
			t.Fatalf("a line of %d", len(line))
		}
	}
	if inList {
		t.Fatalf("a list without end:\n%s", output)
	}
}

// FuzzCommand reads a command line: nothing of it may get lost or be taken for a keyword that it is not.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{"RETR 1", "top 1 2", "PASS  a b ", "QUIT", "", " ", "USER", "CAPABILITY x", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		keyword, arg := parseCommand(bytes.Clone(line))
		word, rest, _ := bytes.Cut(line, []byte{' '})
		if !bytes.Equal(arg, rest) || keyword != "" && !strings.EqualFold(keyword, string(word)) {
			t.Fatalf("%q is %q with %q", line, keyword, arg)
		}
		if n, ok := parseNumber(arg); ok {
			if want, err := strconv.Atoi(string(arg)); err == nil && want < 1<<31 && n != want || n < 0 {
				t.Fatalf("%q is %d", arg, n)
			}
		}
	})
}

// FuzzContent sends a message; a client must get what was stored.
func FuzzContent(f *testing.F) {
	for _, seed := range []string{"", ".", "..\r\n.", "a\r\n.\r\nb\r\n", "\n.\n", "\r.\r\n", "a\r", "\r\n.\r", "x\n"} {
		f.Add([]byte(seed), uint8(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, content []byte, lines, size uint8) {
		checkContent(t, content, int(size))
		checkTop(t, content, int(lines), int(size))
	})
}
