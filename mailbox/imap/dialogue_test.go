package imap

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

var update = flag.Bool("update", false, "write what the server says into the dialogues")

func flagName(s string) goimap.Flag { return goimap.Flag(s) }

// TestDialogues plays the files of testdata/dialogues. In each:
//
//	# a comment
//	config starttls ...                settings, see setting
//	message INBOX \Seen "a: b\r\n"     is in the folder
//	C: a LOGIN ann secret              the client sends this line, and CR LF
//	R: "a\nb"                          the client sends these octets, and nothing else
//	S: a OK ...                        the server answers this line
//	C: (hangs up), C: (TLS)            the client closes its side, or shakes hands
//	S: (hangs up)                      the server closes the connection
//	C2:, R2:, S2:                      the same on a second connection
//
// All S lines behind one another are what is said up to the next C. With -update they are written anew.
func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			must(t, err)
			d := &dialogue{t: t}
			for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				d.where = fmt.Sprintf("%s:%d", file, i+1)
				d.line(line)
			}
			d.end()
			if *update {
				must(t, os.WriteFile(file, []byte(d.said.String()), 0o644))
			}
		})
	}
}

type dialogue struct {
	t       *testing.T
	where   string
	changes []func(*Config)
	inClear bool
	world   *world
	clients [2]*wire
	spoke   [2]bool // since its last S lines
	over    [2]bool // the server hung up
	said    strings.Builder
}

func (d *dialogue) line(line string) {
	kind, rest, _ := strings.Cut(line, " ")
	n := 0
	if k := strings.TrimSuffix(kind, "2:"); k != kind {
		kind, n = k+":", 1
	}
	if kind == "S:" {
		d.hear(n, rest)
		return
	}
	if d.spoke[n] && kind != "C:" && kind != "R:" || d.spoke[1-n] && line != "" {
		d.settle()
	}
	d.said.WriteString(line + "\n")
	switch kind {
	case "", "#":
	case "config":
		for _, word := range strings.Fields(rest) {
			d.setting(word)
		}
	case "message":
		d.message(rest)
	case "C:", "R:":
		d.speak(n, kind, rest)
	default:
		d.t.Fatalf("%s: %q", d.where, line)
	}
}

func (d *dialogue) setting(word string) {
	name, value, _ := strings.Cut(word, "=")
	number, _ := strconv.ParseInt(value, 10, 64)
	d.changes = append(d.changes, func(c *Config) {
		switch name {
		case "starttls":
			c.TLS = testTLS(d.t)
		case "no-clear":
		case "max-message":
			c.MaxMessageBytes = number
		case "max-errors":
			c.MaxErrors = int(number)
		case "quota":
			must(d.t, c.Store.SetQuota(d.t.Context(), ann, number))
		default:
			d.t.Fatalf("%s: no setting %s", d.where, name)
		}
	})
	d.inClear = d.inClear || name == "no-clear"
}

func (d *dialogue) start() *world {
	if d.world == nil {
		d.world = &world{t: d.t, store: newStore(d.t), logins: &fakeLogins{clear: !d.inClear}}
		d.world.serve(d.changes...)
	}
	return d.world
}

func (d *dialogue) message(rest string) {
	words, quoted, _ := strings.Cut(rest, `"`)
	content, err := strconv.Unquote(`"` + quoted)
	if err != nil {
		d.t.Fatalf("%s: %v", d.where, err)
	}
	fields := strings.Fields(words)
	d.start().put(fields[0], content, fields[1:]...)
}

func (d *dialogue) speak(n int, kind, rest string) {
	if d.clients[n] == nil {
		d.clients[n] = d.start().dial()
		if *update {
			d.flush(n)
			d.t.Fatalf("%s: begin with the greeting", d.where)
		}
	}
	c := d.clients[n]
	d.spoke[n] = true
	switch {
	case kind == "R:":
		octets, err := strconv.Unquote(rest)
		if err != nil {
			d.t.Fatalf("%s: %v", d.where, err)
		}
		c.send(octets)
	case rest == "(hangs up)":
		must(d.t, c.conn.Close())
	case rest == "(TLS)":
		*c = *c.startTLS()
	default:
		c.send(rest + "\r\n")
	}
}

// hear compares a line; or with -update reads what there is, at the first.
func (d *dialogue) hear(n int, want string) {
	if d.clients[n] == nil && !d.over[n] {
		d.clients[n] = d.start().dial()
		d.spoke[n] = true
	}
	if *update {
		d.settle()
		return
	}
	if got := d.clients[n].line(); got != want {
		d.t.Fatalf("%s:\n got %s\nwant %s", d.where, got, want)
	}
}

func (d *dialogue) settle() {
	if !*update {
		return
	}
	for n, c := range d.clients {
		if c != nil && (d.spoke[n] || d.clients[1] != nil) {
			d.spoke[n] = false
			d.flush(n)
		}
	}
}

// flush notes what a client is told until it is told nothing for a while.
func (d *dialogue) flush(n int) {
	for {
		must(d.t, d.clients[n].conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		line := d.clients[n].next()
		if line == "(silence)" {
			return
		}
		fmt.Fprintf(&d.said, "%s %s\n", [...]string{"S:", "S2:"}[n], line)
		if line == "(hangs up)" {
			d.clients[n], d.over[n] = nil, true
			return
		}
	}
}

func (d *dialogue) end() {
	d.settle()
	for n, c := range d.clients {
		if c == nil || *update {
			continue
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // closed if the client hung up
		if line := c.next(); line != "(silence)" && line != "(hangs up)" {
			d.t.Errorf("%s: client %d is told %q at the end", d.where, n+1, line)
		}
	}
}
