package imap

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// FuzzSession says anything to a session that has logged in. It must not panic, not hang, and never answer what is
// no response.
func FuzzSession(f *testing.F) {
	files, _ := filepath.Glob("testdata/dialogues/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(f, err)
		var said strings.Builder
		for _, line := range strings.Split(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, "C: "); ok {
				said.WriteString(rest + "\r\n")
			} else if rest, ok := strings.CutPrefix(line, "R: "); ok {
				octets, _ := strconv.Unquote(rest)
				said.WriteString(octets)
			}
		}
		_, rest, ok := strings.Cut(said.String(), "secret\r\n")
		if ok {
			f.Add([]byte(rest))
		}
	}
	core, logged := observer.New(zap.WarnLevel)
	w := newWorld(f, func(c *Config) {
		c.Log = zap.New(core)
		c.CommandTimeout = 20 * time.Millisecond
		c.IdleTimeout = 20 * time.Millisecond
		c.CommandsPerSecond = 1e6
	})
	response := regexp.MustCompile(`^(\*|\+|[!-~]+ (OK|NO|BAD)) `)
	f.Fuzz(func(t *testing.T, said []byte) {
		must(t, refill(w.store))
		c := (&world{t: t, addr: w.addr}).login()
		defer c.conn.Close()
		go func() {
			_, _ = c.conn.Write(said) // the server may hang up
			_ = c.conn.(*net.TCPConn).CloseWrite()
		}()
		must(t, c.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		for {
			line, err := readResponse(c.in)
			if err != nil {
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					t.Fatal("hangs")
				}
				break
			}
			if !response.Match(line) {
				t.Fatalf("answers %q", line)
			}
		}
		for _, entry := range logged.TakeAll() {
			t.Fatalf("%s %v", entry.Message, entry.ContextMap())
		}
	})
}

// refill sees to it that there is a message, and not too much.
func refill(store *mailbox.Store) error {
	infos, err := store.Folders(context.Background(), ann)
	if err != nil {
		return err
	}
	if len(infos) > 20 || infos[0].Messages > 100 {
		if err := store.Remove(context.Background(), ann); err != nil {
			return err
		}
		if err := store.Add(context.Background(), ann, 1<<20); err != nil {
			return err
		}
	}
	if infos[0].Messages < 3 {
		_, _, err = store.Append(context.Background(), ann, "INBOX", []byte(letter), mailbox.Flags{}, noon)
	}
	return err
}

// readResponse reads a response with its literals.
func readResponse(in interface{ ReadBytes(byte) ([]byte, error) }) ([]byte, error) {
	var all []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		all = append(all, line...)
		size := literalSize(line)
		if size < 0 {
			return all, nil
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(in.(io.Reader), literal); err != nil {
			return nil, err
		}
		all = append(all, literal...)
	}
}

func literalSize(line []byte) int {
	line = bytes.TrimSuffix(line, []byte("\r\n"))
	i := bytes.LastIndexByte(line, '{')
	if i < 0 || !bytes.HasSuffix(line, []byte("}")) {
		return -1
	}
	n, err := strconv.Atoi(string(line[i+1 : len(line)-1]))
	if err != nil {
		return -1
	}
	return n
}

// FuzzMessage takes a message apart. What is written of it has the grammar of RFC 9051 as far as brackets, strings
// and literals go, and what is cut out of it lies in it.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(letter), "1.1")
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: G: a@b, \"c\" <d@e>;\r\n\r\nx\r\n--b--\r\n"), "1.1")
	f.Add([]byte("Content-Type: multipart/digest; boundary=\"b\"\n\n--b\n\nSubject: x\n\ny\n--b \n\nSubject: z\n--b--"), "2")
	f.Add([]byte("Content-Type: text/x (a (b) \\) c); p*0=\"q\\\"\"; r\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: x; y=\r\nContent-Language: a, b\r\n\r\nAA=A\r\n"), "1")
	f.Fuzz(func(t *testing.T, content []byte, number string) {
		p := parseMessage(content)
		if !bytes.Equal(p.all(), content) {
			t.Fatalf("%q became %q", content, p.all())
		}
		for _, utf8 := range []bool{false, true} {
			o := output{utf8: utf8}
			o.structure(p, true)
			o.raw(" ")
			o.structure(p, false)
			o.raw(" ")
			o.envelope(p.header)
			checkGrammar(t, o.b, utf8)
		}
		var path []int
		for _, n := range strings.Split(number, ".") {
			if n, err := strconv.Atoi(n); err == nil && len(path) < 50 {
				path = append(path, n)
			}
		}
		for _, spec := range []goimap.PartSpecifier{goimap.PartSpecifierNone, goimap.PartSpecifierHeader, goimap.PartSpecifierText, goimap.PartSpecifierMIME} {
			octets, ok := p.section(&goimap.FetchItemBodySection{Part: path, Specifier: spec})
			if ok && !bytes.Contains(content, octets) {
				t.Fatalf("%v %s of %q is %q", path, spec, content, octets)
			}
		}
		if octets, _, _ := p.binary(path); len(octets) > len(content) {
			t.Fatalf("%q grew", content)
		}
		p.containsText("x", true)
		dateOf(p.header)
	})
}

// checkGrammar checks brackets, quoted strings, literals and atoms.
func checkGrammar(t *testing.T, b []byte, utf8 bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
				if b[i] == 0 || b[i] == '\r' || b[i] == '\n' || b[i] >= 0x80 && !utf8 {
					t.Fatalf("%q in a quoted string of %q", b[i], b)
				}
			}
		case c == '{':
			end := bytes.IndexByte(b[i:], '}')
			n, err := strconv.Atoi(string(b[i+1 : i+end]))
			if err != nil || string(b[i+end+1:i+end+3]) != "\r\n" {
				t.Fatalf("literal in %q", b)
			}
			i += end + 2 + n
		case c <= ' ' && c != ' ' || c >= 0x7f:
			t.Fatalf("%q in %q", c, b)
		}
		if depth < 0 {
			t.Fatalf("brackets of %q", b)
		}
	}
	if depth != 0 {
		t.Fatalf("brackets of %q", b)
	}
}

// FuzzSearchKeys rewrites the arguments of a SEARCH. What comes out is one line whose strings are whole, and
// comes out again as it is.
func FuzzSearchKeys(f *testing.F) {
	for _, s := range []string{` ALL`, ` SMALLER 5 SINCE 1-Jan-2020`, ` RETURN (MIN SAVE) CHARSET UTF-8 OR (FROM "a\"b") NOT UID 1:*,3`, ` HEADER a "" KEYWORD x`, ` ((()`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, args string) {
		if lit, err := scanLine("a", []byte(args)); err != nil || lit != nil {
			return // never gets here
		}
		s := &session{}
		c := &command{args: args}
		if s.prepareSearch(c) != nil {
			return
		}
		if lit, err := scanLine("a", []byte(c.args)); err != nil || lit != nil || strings.Contains(c.args, "\n") != strings.Contains(args, "\n") {
			t.Fatalf("%q became %q", args, c.args)
		}
		again := &command{args: c.args}
		if err := s.prepareSearch(again); err != nil || again.args != c.args {
			t.Fatalf("%q became %q, then %q (%v)", args, c.args, again.args, err)
		}
	})
}

// FuzzMatch compares our matching of LIST patterns with one that is slow and plain.
func FuzzMatch(f *testing.F) {
	f.Add("a%b*c", "a/bxc")
	f.Add("**%%", "INBOX/x")
	f.Fuzz(func(t *testing.T, p, name string) {
		if len(p) > 12 || len(name) > 20 {
			return
		}
		if got, want := pattern(p).matches(name), plainMatch(p, name); got != want {
			t.Fatalf("%q on %q: %v", p, name, got)
		}
	})
}

func plainMatch(p, name string) bool {
	if p == "" {
		return name == ""
	}
	if p[0] != '*' && p[0] != '%' {
		return name != "" && name[0] == p[0] && plainMatch(p[1:], name[1:])
	}
	for i := 0; ; i++ {
		if plainMatch(p[1:], name[i:]) {
			return true
		}
		if i == len(name) || p[0] == '%' && name[i] == mailbox.Separator {
			return false
		}
	}
}
