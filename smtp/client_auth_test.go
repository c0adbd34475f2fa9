package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// spoken is a mechanism that says what the test has it say.
type spoken struct {
	name    string
	initial []byte
	next    []string // what it answers to each challenge; "!why" fails
	finish  string   // why it does not believe the yes
	heard   []string
}

func (m *spoken) Name() string           { return m.name }
func (m *spoken) Start() ([]byte, error) { return m.initial, nil }
func (m *spoken) Next(challenge []byte) ([]byte, error) {
	m.heard = append(m.heard, string(challenge))
	if len(m.next) == 0 {
		return []byte("more"), nil
	}
	words := m.next[0]
	m.next = m.next[1:]
	if why, ok := strings.CutPrefix(words, "!"); ok {
		return nil, errors.New(why)
	}
	return []byte(words), nil
}
func (m *spoken) Finish() error {
	if m.finish != "" {
		return errors.New(m.finish)
	}
	return nil
}

// TestClientAuthDialogues holds what is said for a login, and what is made of the replies, against
// testdata/client-auth. Each file has a script for the peer and what a mechanism says: "auth NAME", "initial TEXT", "next
// TEXT" for each challenge, "finish ERROR", in Go's notation for strings; "auth" again is another try.
func TestClientAuthDialogues(t *testing.T) {
	files, _ := filepath.Glob("testdata/client-auth/*.txt")
	if len(files) < 10 {
		t.Fatal("no dialogues")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) {
				got = clientAuthDialogue(t, string(ar.Files[0].Data), clientParseAuth(t, string(ar.Files[1].Data)))
			})
			if *clientUpdate {
				ar.Files = append(ar.Files[:2], txtar.File{Name: "outcome", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[2].Data), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func clientParseAuth(t *testing.T, text string) (list []*spoken) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.Unquote(`"` + value + `"`)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if key == "auth" {
			list = append(list, &spoken{name: value})
			continue
		}
		m := list[len(list)-1]
		switch key {
		case "initial":
			m.initial = []byte(value)
		case "next":
			m.next = append(m.next, value)
		case "finish":
			m.finish = value
		default:
			t.Fatalf("%q", line)
		}
	}
	return list
}

func clientAuthDialogue(t *testing.T, script string, list []*spoken) string {
	peer := smtptest.Start(t, script)
	wire := smtptest.Faulty(peer.Dial(), smtptest.Faults{})
	c := NewClient(clientSettled{wire}, ClientConfig{Hostname: "client.test"})
	defer c.Close()
	ctx := context.Background()
	if err := c.Greet(ctx); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, m := range list {
		err := c.Auth(ctx, m)
		for _, challenge := range m.heard {
			fmt.Fprintf(&out, "challenge %q\n", challenge)
		}
		fmt.Fprintf(&out, "%s: %v\n", m.name, err)
	}
	if c.Err() == nil {
		fmt.Fprintln(&out, "in use")
		c.Quit(ctx)
	}
	for i, f := range wire.Flights() {
		fmt.Fprintf(&out, "flight %d\n", i+1)
		for line := range strings.Lines(f) {
			fmt.Fprintf(&out, "  %s\n", clientShow(line))
		}
	}
	return out.String()
}

// canned is a peer that has said all it will say before it is asked, and hears everything.
type canned struct {
	net.Conn
	said *strings.Reader
}

func (c canned) Read(p []byte) (int, error)       { return c.said.Read(p) }
func (c canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c canned) Close() error                     { return nil }
func (c canned) SetReadDeadline(time.Time) error  { return nil }
func (c canned) SetWriteDeadline(time.Time) error { return nil }
func (c canned) SetDeadline(time.Time) error      { return nil }

// dripping is a canned peer whose bytes come one read at a time to each line, as a real peer's do.
type dripping struct{ canned }

func (d dripping) Read(p []byte) (int, error) {
	for i := range p {
		b, err := d.said.ReadByte()
		if err != nil {
			if i > 0 {
				return i, nil
			}
			return 0, io.EOF
		}
		if p[i] = b; b == '\n' {
			return i + 1, nil
		}
	}
	return len(p), nil
}

// Whatever a server says to AUTH, the login ends, and only a 235 is a yes.
func FuzzClientAuth(f *testing.F) {
	for _, said := range []string{
		"235 2.7.0 ok\r\n", "535 5.7.8 no\r\n", "334 \r\n235 ok\r\n", "334 dXNlcg==\r\n334 cGFzcw==\r\n235 ok\r\n",
		"334 *\r\n", "334\r\n", "334-YQ==\r\n334 Yg==\r\n235 ok\r\n", "421 bye\r\n", "235-2\r\n235 2\r\nx", "250 ok\r\n", "454 later\r\n",
	} {
		f.Add(said, true)
		f.Add(said, false)
	}
	f.Fuzz(func(t *testing.T, said string, first bool) {
		conn := dripping{canned{said: strings.NewReader("220 x\r\n250 x\r\n" + said)}}
		c := NewClient(conn, ClientConfig{Hostname: "client.test"})
		defer c.Close()
		if err := c.Greet(t.Context()); err != nil {
			return
		}
		m := &spoken{name: "PLAIN"}
		if first {
			m.initial = []byte("\x00a\x00b")
		}
		if err := c.Auth(t.Context(), m); err == nil && !strings.Contains(said, "235") {
			t.Errorf("logged in by %q", said)
		}
	})
}
