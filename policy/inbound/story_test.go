package inbound

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what came out into the stories")

// TestStories reads testdata/*.txt. The parts of a story:
//
//	zone      what the DNS knows; the keys of RFC 8463 A.2 are at rsa. and ed._domainkey.example.com
//	session   "client", "helo", "from" and what is configured: "list ZONE [CODES=NAME]", "action RESULT ACTION"
//	message   as it comes in
//	sign      one line for each signature put on top: the tags of the field
//	change    "OLD => NEW", after signing
//	want      the fields that we add, then the decision
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			story, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, story)
			for i, f := range story.Files {
				if f.Name != "want" {
					continue
				}
				if got != string(f.Data) {
					t.Errorf("got:\n%s\nwant:\n%s", got, f.Data)
				}
				story.Files[i].Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func part(story *txtar.Archive, name string) string {
	for _, f := range story.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// play returns what becomes of the story.
func play(t testing.TB, story *txtar.Archive) string {
	c, s, content := scene(t, story)
	res := c.Check(t.Context(), s, content)
	d := c.Decide(res)
	out := string(c.Header(res, d))
	if clean := c.Clean(content); len(clean) != len(content) {
		out += fmt.Sprintf("removed %d octets\n", len(content)-len(clean))
	}
	for _, l := range res.Client.Lists {
		if l.Err != nil {
			out += fmt.Sprintf("%s: %v\n", l.Zone, l.Err)
		}
	}
	out += "=> " + d.Action.String()
	if d.Status.Code != 0 {
		out += " " + d.Status.String()
	}
	return strings.ReplaceAll(out, "\r\n", "\n") + "\n"
}

// scene returns what a story begins with.
func scene(t testing.TB, story *txtar.Archive) (*Checker, Session, []byte) {
	z := parseZone(t, keysZone(t)+part(story, "zone"))
	var cfg Config
	s := Session{Addr: netip.MustParseAddr("192.0.2.1"), HELO: "client.example.com"}
	for _, line := range strings.Split(strings.TrimSpace(part(story, "session")), "\n") {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "":
		case "client":
			s.Addr = netip.MustParseAddr(rest)
		case "helo":
			s.HELO = rest
		case "from":
			s.MailFrom = rest
		case "list":
			cfg.Lists = append(cfg.Lists, parseList(t, rest))
		case "action":
			setAction(t, &cfg.Actions, rest)
		default:
			t.Fatalf("bad line %q", line)
		}
	}
	mail := strings.ReplaceAll(part(story, "message"), "\n", "\r\n")
	for _, tags := range strings.Split(strings.TrimSpace(part(story, "sign")), "\n") {
		if tags != "" {
			mail = sign(t, mail, tags)
		}
	}
	for _, line := range strings.Split(part(story, "change"), "\n") {
		if from, to, ok := strings.Cut(line, " => "); ok {
			if !strings.Contains(mail, from) {
				t.Fatalf("nothing to change: %q", from)
			}
			mail = strings.Replace(mail, from, strings.ReplaceAll(to, `\n`, "\r\n"), 1)
		}
	}
	return newChecker(t, z, cfg), s, []byte(mail)
}

func parseList(t testing.TB, text string) List {
	f := strings.Fields(text)
	l := List{Zone: f[0]}
	for _, code := range f[1:] {
		prefix, name, _ := strings.Cut(code, "=")
		c := ListCode{Net: netip.MustParsePrefix(prefix), Name: name}
		if c.Ignore = name == "ignore"; name == "refuse" {
			c.Action = ActionRefuse
		}
		l.Codes = append(l.Codes, c)
	}
	return l
}

func setAction(t testing.TB, a *Actions, text string) {
	name, action, _ := strings.Cut(text, " ")
	p, ok := map[string]*Action{
		"spf=fail": &a.SPFFail, "spf=softfail": &a.SPFSoftFail, "spf=permerror": &a.SPFPermError, "dkim=fail": &a.DKIMFail,
		"dmarc=reject": &a.DMARCReject, "dmarc=quarantine": &a.DMARCQuarantine, "dmarc=none": &a.DMARCNone,
		"author": &a.BadAuthor, "listed": &a.Listed, "noreverse": &a.NoReverse, "temperror": &a.TempError,
	}[name]
	if !ok {
		t.Fatalf("bad result %q", name)
	}
	if err := p.UnmarshalText([]byte(action)); err != nil {
		t.Fatal(err)
	}
}
