package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// modelClient believes what it is told, and nothing else: the messages of the folder, with their flags if it has
// heard of them.
type modelClient struct {
	*wire
	t     *rapid.T
	n     int
	flags []string // by message number - 1; "?": not told yet
	uids  []string // in the same way; with QRESYNC they are all known between commands
	idle  bool
	// resync: QRESYNC is enabled, and what is gone is told by UID.
	resync bool
}

// hear takes the lines of an answer. during tells of a command in which numbers must hold.
func (c *modelClient) hear(lines []string, during bool) {
	for _, line := range lines {
		if set, ok := strings.CutPrefix(line, "* VANISHED "); ok {
			c.vanish(set, during)
			continue
		}
		var n int
		var what string
		if k, _ := fmt.Sscanf(line, "* %d %s", &n, &what); k < 2 {
			continue
		}
		switch what {
		case "EXISTS":
			if n < len(c.flags) {
				c.t.Fatalf("client %d: %s, with %d", c.n, line, len(c.flags))
			}
			for len(c.flags) < n {
				c.flags, c.uids = append(c.flags, "?"), append(c.uids, "?")
			}
		case "EXPUNGE":
			if during || n < 1 || n > len(c.flags) {
				c.t.Fatalf("client %d: %s, with %d", c.n, line, len(c.flags))
			}
			c.flags, c.uids = slices.Delete(c.flags, n-1, n), slices.Delete(c.uids, n-1, n)
		case "FETCH":
			if n < 1 || n > len(c.flags) {
				c.t.Fatalf("client %d: %s, with %d", c.n, line, len(c.flags))
			}
			if _, rest, ok := strings.Cut(line, "UID "); ok {
				uid, _, _ := strings.Cut(strings.TrimSuffix(rest, ")"), " ")
				if c.uids[n-1] != "?" && c.uids[n-1] != uid {
					c.t.Fatalf("client %d: %s, which was %s", c.n, line, c.uids[n-1])
				}
				c.uids[n-1] = uid
			} else if c.resync {
				c.t.Fatalf("client %d: without UID: %s", c.n, line)
			}
			if _, rest, ok := strings.Cut(line, "FLAGS ("); ok {
				c.flags[n-1], _, _ = strings.Cut(rest, ")")
			}
		}
	}
}

// vanish takes messages away by their UIDs.
func (c *modelClient) vanish(set string, during bool) {
	var uids goimap.UIDSet
	for _, r := range knownUIDs(set) {
		uids.AddRange(r.Start, r.Stop)
	}
	all, _ := uids.Nums()
	for _, uid := range all {
		i := slices.Index(c.uids, fmt.Sprint(uid))
		if i < 0 || during {
			c.t.Fatalf("client %d: VANISHED %s of %v", c.n, set, c.uids)
		}
		c.flags, c.uids = slices.Delete(c.flags, i, i+1), slices.Delete(c.uids, i, i+1)
	}
}

func (c *modelClient) command(text string) {
	if c.idle {
		c.idle = false
		c.send("DONE\r\n")
		c.hear(c.until("i "), false)
	}
	name := strings.Fields(text)[0]
	c.hear(c.try(fmt.Sprintf("c%d %s", c.n, text)), name == "FETCH" || name == "STORE" || name == "SEARCH")
	if c.resync && slices.Contains(c.uids, "?") {
		c.hear(c.try(fmt.Sprintf("c%d UID FETCH 1:* FLAGS", c.n)), false)
	}
}

// Whatever several clients do at the same time, after NOOP each knows what there is.
func TestModel(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxErrors = 1 << 30 })
	rapid.Check(t, func(t *rapid.T) {
		must(w.t, w.store.Remove(w.t.Context(), ann))
		must(w.t, w.store.Add(w.t.Context(), ann, 0))
		var clients []*modelClient
		for n := range 3 {
			c := &modelClient{wire: w.login(), t: t, n: n}
			defer c.conn.Close()
			if c.resync = n == 2; c.resync {
				c.command("ENABLE QRESYNC")
			}
			c.command("SELECT INBOX")
			clients = append(clients, c)
		}
		number := rapid.IntRange(1, 6)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			c := rapid.SampledFrom(clients).Draw(t, "client")
			a, b := number.Draw(t, "a"), number.Draw(t, "b")
			switch rapid.IntRange(0, 12).Draw(t, "what") {
			case 0, 1, 2:
				w.put("INBOX", letter)
			case 3:
				c.command(fmt.Sprintf("STORE %d +FLAGS (\\Deleted)", a))
			case 4:
				c.command(fmt.Sprintf("UID STORE %d:%d +FLAGS.SILENT (\\Flagged)", a, b))
				for i := range c.flags { // what silence means the client must find out
					c.flags[i] = "?"
				}
			case 5:
				c.command(fmt.Sprintf("STORE %d FLAGS (k%d)", a, b))
			case 6:
				c.command("EXPUNGE")
			case 7:
				c.command(fmt.Sprintf("FETCH %d:%d BODY[TEXT]", a, b))
			case 8:
				c.command(fmt.Sprintf("UID MOVE %d:%d Archive", a, b))
			case 9:
				c.command(fmt.Sprintf("COPY %d INBOX", a))
			case 10:
				c.command("SEARCH SEEN")
			case 11:
				c.command("NOOP")
			case 12:
				c.command("NOOP")
				if c.resync {
					break
				}
				c.send("i IDLE\r\n")
				c.hear(c.until("+ "), false)
				c.idle = true
			}
		}
		for _, c := range clients {
			c.compare(w)
		}
	})
}

// compare asks for all there is, and compares it with what the client was told before.
func (c *modelClient) compare(w *world) {
	c.command("NOOP")
	told := slices.Clone(c.flags)
	if len(told) > 0 {
		c.command("FETCH 1:* FLAGS")
	}
	for i := range told {
		if told[i] != "?" && told[i] != c.flags[i] {
			c.t.Fatalf("client %d: message %d has (%s), was told (%s)", c.n, i+1, c.flags[i], told[i])
		}
	}
	info, err := w.store.Status(w.t.Context(), ann, "INBOX")
	if err != nil || info.Messages != len(told) {
		c.t.Fatalf("client %d knows of %d messages of %d (%v)", c.n, len(told), info.Messages, err)
	}
}
