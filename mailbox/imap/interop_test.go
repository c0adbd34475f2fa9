//go:build interop

package imap

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// The interop tests serve other people's programs. Where one is missing the test is skipped, or fails when
// POSTHASTE_INTEROP_REQUIRE=1.

// letters are messages that tempt programs.
func letters() []string {
	const header = "From: ann@a.test\r\nTo: bob@a.test\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <%d@a.test>\r\nSubject: %s\r\n\r\n"
	var all []string
	for i, m := range [][2]string{
		{"dots", ".\r\n..\r\n...\r\n.first\r\n \r\n\r\n.\r\nthe end.\r\n"},
		{"8-bit", "J\xc3\xb6rg and latin \xe4\xf6\xfc \xff\x80\r\n"},
		{"a long line", strings.Repeat("0123456789", 5000) + "\r\n.\r\n"},
		{"a from line", "From the start\r\n>From quoted\r\n"},
		{"brackets", ")\r\na1 OK done\r\n* BYE {5}\r\n)\r\n"},
		{"many lines", strings.Repeat("..all the same\r\n", 20_000)},
		{"nothing", ""},
		{"no line end", "the end"},
	} {
		all = append(all, fmt.Sprintf(header, i, m[0])+m[1])
	}
	return all
}

// office is a server in clear with STARTTLS, and one under TLS from the first octet, on one store.
type office struct {
	*world
	clear, implicit string // ports
}

func newOffice(t *testing.T, inbox []string) *office {
	t.Helper()
	o := &office{world: newWorld(t, func(c *Config) { c.TLS = testTLS(t) })}
	_, o.clear, _ = net.SplitHostPort(o.addr)
	second := &world{t: t, store: o.store, logins: o.logins}
	second.serve(func(c *Config) { c.TLS, c.ImplicitTLS = testTLS(t), true })
	_, o.implicit, _ = net.SplitHostPort(second.addr)
	for _, m := range inbox {
		o.put("INBOX", m)
	}
	return o
}

// folder returns the contents of a folder, in the order of their UIDs, and their flags.
func (o *office) folder(name string) (contents []string, flags []mailbox.Flags) {
	o.t.Helper()
	f, err := o.store.OpenFolder(o.t.Context(), ann, name)
	must(o.t, err)
	defer f.Close()
	for _, uid := range f.UIDs() {
		m, _ := f.Get(uid)
		content, err := f.Content(o.t.Context(), uid)
		must(o.t, err)
		contents, flags = append(contents, string(content)), append(flags, m.Flags)
	}
	return contents, flags
}

// tool returns a program, or ends the test. Debian's is preferred: its modules are there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path := "/usr/bin/" + name
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("POSTHASTE_INTEROP_REQUIRE") == "1" {
			t.Fatalf("%s is not installed (make deps-interop installs it)", name)
		}
		t.Skipf("%s is not installed (make deps-interop installs it)", name)
	}
	return path
}

// run runs a program to its good end and returns its standard output.
func run(t *testing.T, home, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C.UTF-8", "TERM=xterm")
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), complaints.String())
	}
	return out.String()
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// wantSame compares messages in any order, line ends aside unless exact.
func wantSame(t *testing.T, got, want []string, exact bool) {
	t.Helper()
	tidy := func(list []string) []string {
		list = slices.Clone(list)
		for i, m := range list {
			if !exact {
				list[i] = strings.ReplaceAll(m, "\r\n", "\n")
			}
		}
		slices.Sort(list)
		return list
	}
	got, want = tidy(got), tidy(want)
	if len(got) != len(want) {
		t.Fatalf("%d messages arrived, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("arrived:\n%.500q\nwant:\n%.500q", got[i], want[i])
		}
	}
}

// filesIn returns the contents of all files in a Maildir's cur and new.
func filesIn(t *testing.T, maildir string) []string {
	t.Helper()
	var all []string
	for _, sub := range []string{"cur", "new"} {
		paths, _ := filepath.Glob(filepath.Join(maildir, sub, "*"))
		for _, p := range paths {
			b, err := os.ReadFile(p)
			must(t, err)
			all = append(all, string(b))
		}
	}
	return all
}

func TestInteropCurl(t *testing.T) {
	curl := tool(t, "curl")
	for _, mode := range []string{"clear", "starttls", "tls"} {
		t.Run(mode, func(t *testing.T) {
			o := newOffice(t, letters())
			args := []string{"-sS", "--insecure", "-u", ann + ":secret", "--login-options", "AUTH=PLAIN"}
			base := "imap://127.0.0.1:" + o.clear
			switch mode {
			case "starttls":
				args = append(args, "--ssl-reqd")
			case "tls":
				base = "imaps://127.0.0.1:" + o.implicit
			}
			do := func(more ...string) string { return run(t, t.TempDir(), curl, append(args, more...)...) }
			for i, m := range letters() {
				if got := do(fmt.Sprintf("%s/INBOX;UID=%d", base, i+1)); got != m {
					t.Errorf("message %d: %.200q", i+1, got)
				}
			}
			got := do(base + "/INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)")
			if got != "Subject: 8-bit\r\n\r\n" {
				t.Errorf("section: %q", got)
			}
			if got := do(base + "/INBOX?SUBJECT%20dots"); strings.TrimSpace(got) != "* SEARCH 1" {
				t.Errorf("search: %q", got)
			}
			if got := do(base+"/", "-X", "LIST \"\" *"); !strings.Contains(got, `"Sent"`) {
				t.Errorf("list: %q", got)
			}
			for i, m := range letters() {
				do("-T", write(t, filepath.Join(t.TempDir(), fmt.Sprint(i)), m), base+"/Drafts")
			}
			contents, _ := o.folder("Drafts")
			wantSame(t, contents, letters(), true)
		})
	}
}

const imaplibScript = `
import imaplib, sys, ssl, time
mode, clear, implicit = sys.argv[1:]
ctx = ssl.create_default_context(); ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE
if mode == "tls":
    m = imaplib.IMAP4_SSL("127.0.0.1", int(implicit), ssl_context=ctx)
else:
    m = imaplib.IMAP4("127.0.0.1", int(clear))
    if mode == "starttls":
        m.starttls(ctx)
def ok(r, *want):
    assert r[0] == "OK", r
    if want: assert r[1] == list(want), r
    return r[1]
if mode == "clear":
    m.login("ann@example.com", "secret")
else:
    ok(m.authenticate("PLAIN", lambda c: b"\0ann@example.com\0secret"))
ok(m.enable("UTF8=ACCEPT")) if mode == "tls" else None
ok(m.select("INBOX"), b"8")
sent = []
for n in range(1, 9):
    data = ok(m.fetch(str(n), "(RFC822)"))
    body = data[0][1]
    sent.append(body)
    ok(m.append("Drafts", "(\\Draft)", imaplib.Time2Internaldate(time.time()), body)) if mode != "tls" else None
ok(m.store("1:2", "+FLAGS", "(\\Deleted \\Seen)"))
ok(m.expunge(), b"2", b"1")
ok(m.search(None, "UNSEEN"), b"")
ok(m.search(None, "SUBJECT", '"brackets"'), b"3")
ok(m.uid("SEARCH", "HEADER", "SUBJECT", "brackets"), b"5")
ok(m.create("work/now"))
ok(m.copy("1:3", "work/now"))
ok(m.uid("MOVE", "3", "work/now"))
assert b"MESSAGES 4" in ok(m.status("work/now", "(MESSAGES UIDNEXT)"))[0]
ok(m.rename("work/now", "work/then"))
ok(m.subscribe("work/then")); assert any(b"work/then" in l for l in ok(m.lsub()))
ok(m.unsubscribe("work/then"))
ok(m.delete("work/then"))
assert len(ok(m.list())) == 7, m.list()
ok(m.namespace(), b'(("" "/")) NIL NIL')
typ, dat = m.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
assert typ == "OK" and b"BODYSTRUCTURE" in dat[0], dat
ok(m.noop()); ok(m.check()); ok(m.close()); m.logout()
`

func TestInteropImaplib(t *testing.T) {
	python := tool(t, "python3")
	for _, mode := range []string{"clear", "starttls", "tls"} {
		t.Run(mode, func(t *testing.T) {
			o := newOffice(t, letters())
			run(t, t.TempDir(), python, "-c", imaplibScript, mode, o.clear, o.implicit)
			if mode != "tls" { // UTF8=ACCEPT changes how it appends
				contents, flags := o.folder("Drafts")
				wantSame(t, contents, letters(), true)
				if flags[0].System != mailbox.Draft {
					t.Errorf("flags %v", flags[0])
				}
			}
		})
	}
}

func TestInteropMbsync(t *testing.T) {
	mbsync := tool(t, "mbsync")
	o := newOffice(t, letters())
	home := t.TempDir()
	local := filepath.Join(home, "mail")
	must(t, os.MkdirAll(local, 0o700))
	rc := write(t, filepath.Join(home, "rc"), fmt.Sprintf(`
IMAPAccount ann
Host 127.0.0.1
Port %s
User ann@example.com
Pass secret
SSLType None
AuthMechs PLAIN LOGIN
PipelineDepth 20

IMAPStore far
Account ann

MaildirStore near
Path %[2]s/
Inbox %[2]s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
`, o.clear, local))
	run(t, home, mbsync, "-c", rc, "-a")
	var arrived []string
	for _, m := range filesIn(t, filepath.Join(local, "INBOX")) {
		arrived = append(arrived, regexp.MustCompile("X-TUID: .*\n").ReplaceAllString(m, "")) // mbsync's own
	}
	wantSame(t, arrived, letters(), false)

	// What changes here is found there.
	paths, _ := filepath.Glob(filepath.Join(local, "INBOX", "*", "*,U=*"))
	for _, p := range paths {
		b, _ := os.ReadFile(p)
		base := filepath.Join(local, "INBOX", "cur", strings.Split(filepath.Base(p), ":")[0])
		switch {
		case bytes.Contains(b, []byte("Subject: dots")):
			must(t, os.Rename(p, base+":2,FRS"))
		case bytes.Contains(b, []byte("Subject: 8-bit")):
			must(t, os.Rename(p, base+":2,T"))
		case bytes.Contains(b, []byte("Subject: nothing")):
			must(t, os.Remove(p))
		}
	}
	write(t, filepath.Join(local, "Drafts", "new", "1.local"), "Subject: mine\n\nof my own\n")
	must(t, os.MkdirAll(filepath.Join(local, "made", "cur"), 0o700))
	must(t, os.MkdirAll(filepath.Join(local, "made", "new"), 0o700))
	must(t, os.MkdirAll(filepath.Join(local, "made", "tmp"), 0o700))
	write(t, filepath.Join(local, "made", "cur", "2.local:2,S"), "Subject: made\n\nhere\n")
	// And the other way round.
	o.put("INBOX", "Subject: later\r\n\r\nstill\r\n", `\Flagged`)
	run(t, home, mbsync, "-c", rc, "-a")

	contents, flags := o.folder("INBOX")
	if len(contents) != 7 {
		t.Fatalf("%d messages in the INBOX, want 7", len(contents))
	}
	for i, m := range contents {
		if strings.Contains(m, "Subject: dots") && flags[i].System != mailbox.Seen|mailbox.Answered|mailbox.Flagged {
			t.Errorf("flags of the first: %v", flags[i])
		}
		if strings.Contains(m, "Subject: 8-bit") || strings.Contains(m, "Subject: nothing") {
			t.Errorf("still there: %.200q", m)
		}
	}
	contents, _ = o.folder("Drafts")
	if len(contents) != 1 || !strings.HasSuffix(contents[0], "Subject: mine\r\n\r\nof my own\r\n") && !strings.Contains(contents[0], "of my own\r\n") {
		t.Errorf("Drafts: %q", contents)
	}
	contents, flags = o.folder("made")
	if len(contents) != 1 || flags[0].System != mailbox.Seen {
		t.Errorf("made: %q %v", contents, flags)
	}
	got, _ := filepath.Glob(filepath.Join(local, "INBOX", "*", "*:2,F"))
	if len(got) != 1 {
		t.Errorf("the later message is not here: %v", got)
	}
}

func TestInteropOfflineimap(t *testing.T) {
	offlineimap := tool(t, "offlineimap")
	o := newOffice(t, letters())
	home := t.TempDir()
	local := filepath.Join(home, "mail")
	rc := write(t, filepath.Join(home, "rc"), fmt.Sprintf(`
[general]
accounts = ann
metadata = %s/state
[Account ann]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %s
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = %s
ssl = no
starttls = no
auth_mechanisms = PLAIN
remoteuser = ann@example.com
remotepass = secret
`, home, local, o.clear))
	run(t, home, offlineimap, "-c", rc, "-o", "-u", "basic")
	if got := filesIn(t, filepath.Join(local, "INBOX")); len(got) != len(letters()) {
		t.Fatalf("%d messages arrived", len(got))
	}
	paths, _ := filepath.Glob(filepath.Join(local, "INBOX", "new", "*"))
	for _, p := range paths {
		if b, _ := os.ReadFile(p); bytes.Contains(b, []byte("Subject: dots")) {
			must(t, os.Rename(p, filepath.Join(local, "INBOX", "cur", strings.TrimSuffix(filepath.Base(p), ":2,")+":2,FS")))
		}
	}
	write(t, filepath.Join(local, "Sent", "new", "1.local"), "Subject: mine\nMessage-Id: <own@a.test>\n\nof my own\n")
	run(t, home, offlineimap, "-c", rc, "-o", "-u", "basic")
	contents, flags := o.folder("INBOX")
	for i, m := range contents {
		if strings.Contains(m, "Subject: dots") && flags[i].System != mailbox.Seen|mailbox.Flagged {
			t.Errorf("flags of the first: %v", flags[i])
		}
	}
	if contents, _ := o.folder("Sent"); len(contents) != 1 || !strings.Contains(contents[0], "of my own\r\n") {
		t.Errorf("Sent: %q", contents)
	}
}

// Mutt reads, flags, deletes and saves, on a terminal of its own.
func TestInteropMutt(t *testing.T) {
	mutt, script := tool(t, "mutt"), tool(t, "script")
	o := newOffice(t, letters()[:5])
	home := t.TempDir()
	rc := write(t, filepath.Join(home, "rc"), fmt.Sprintf(`
set folder="imap://ann%%40example.com@127.0.0.1:%s/" spoolfile="+INBOX"
set imap_user="ann@example.com" imap_pass="secret" imap_authenticators="plain:login" ssl_starttls=no ssl_force_tls=no
set confirmappend=no confirmcreate=no delete=yes quit=yes sort=mailbox-order wait_key=no mbox_type=mbox
set resolve=no header_cache="" message_cachedir="" imap_idle=yes certificate_file="%s/certs" move=no mark_old=no
push "<first-entry><display-message><exit><next-entry><flag-message><next-entry><delete-message><first-entry><next-entry><next-entry><next-entry><save-message>=Archive<enter><last-entry><copy-message>%[2]s/copy<enter><sync-mailbox><quit>"
`, o.clear, home))
	run(t, home, script, "-qec", mutt+" -F "+rc, "/dev/null")
	contents, flags := o.folder("INBOX")
	if len(contents) != 3 {
		for i, m := range contents {
			t.Logf("%.150q %v", m, flags[i])
		}
		t.Fatalf("%d messages left, want 3", len(contents))
	}
	if flags[0].System&mailbox.Seen == 0 || flags[1].System&mailbox.Flagged == 0 {
		t.Errorf("flags: %v", flags)
	}
	archive, _ := o.folder("Archive")
	wantSame(t, archive, letters()[3:4], true)
	copied, err := os.ReadFile(filepath.Join(home, "copy"))
	if err != nil || !bytes.Contains(copied, []byte("* BYE {5}\n)\n")) {
		t.Errorf("copy: %v %.300q", err, copied)
	}
}
