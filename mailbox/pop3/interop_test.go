//go:build interop

package pop3

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The interop tests serve other people's programs. Where one is missing the test is skipped, or fails when
// POSTHASTE_INTEROP_REQUIRE=1.

// letters are messages that tempt programs; each but the last ends in a line end.
func letters() []string {
	const header = "From: ann@a.test\r\nTo: bob@a.test\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <%d@a.test>\r\nSubject: %s\r\n\r\n"
	var all []string
	for i, m := range [][2]string{
		{"dots", ".\r\n..\r\n...\r\n.first\r\n \r\n\r\n.\r\nthe end.\r\n"},
		{"8-bit", "J\xc3\xb6rg and latin \xe4\xf6\xfc \xff\x80\r\n"},
		{"a long line", strings.Repeat("0123456789", 5000) + "\r\n.\r\n"},
		{"a from line", "From the start\r\n>From quoted\r\n"},
		{"empty lines", "\r\n\r\n\r\n"},
		{"many lines", strings.Repeat("..all the same\r\n", 20_000)},
		{"nothing", ""},
		{"no line end", "the end"},
	} {
		all = append(all, fmt.Sprintf(header, i, m[0])+m[1])
	}
	return all
}

// longLine is the index in letters of the one that has it.
const longLine = 2

// interopServers serves one maildrop in clear with STLS, and under TLS from the first byte.
func interopServers(t *testing.T) (b *inbox, clear, implicit string) {
	t.Helper()
	b = newInbox(letters()...)
	cfg := testConfig()
	cfg.Logins.(*logins).inClear, cfg.Logins.(*logins).inTLS = []string{"PLAIN"}, []string{"PLAIN", "LOGIN"}
	cfg.TLS = testTLS(t)
	_, addr := startServer(t, cfg, b)
	_, clear, _ = net.SplitHostPort(addr)
	cfg.ImplicitTLS = true
	_, addr = startServer(t, cfg, b)
	_, implicit, _ = net.SplitHostPort(addr)
	return b, clear, implicit
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
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), complaints.String())
	}
	return out.String()
}

// files returns what is in the files of a folder, sorted, with CR LF.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n"))
	}
	slices.Sort(all)
	return all
}

// wantAll compares messages, in any order, with what was sent.
func wantAll(t *testing.T, got, sent []string) {
	t.Helper()
	var want []string
	for _, m := range sent {
		want = append(want, arrived(m))
	}
	slices.Sort(want)
	if len(got) != len(want) {
		t.Fatalf("%d messages arrived, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("arrived:\n%.500q\nwant:\n%.500q", got[i], want[i])
		}
	}
}

// wantEmpty tells whether all was removed, and the maildrop given back.
func wantEmpty(t *testing.T, b *inbox) {
	t.Helper()
	if left := b.UIDs(); len(left) > 0 || !b.free() {
		t.Errorf("left %v, free %v", left, b.free())
	}
}

func TestInteropPoplib(t *testing.T) {
	python := tool(t, "python3")
	for _, mode := range []string{"clear", "stls", "tls"} {
		t.Run(mode, func(t *testing.T) {
			b, port, implicit := interopServers(t)
			if mode == "tls" {
				port = implicit
			}
			for _, last := range []string{"keep", "delete"} {
				folder := t.TempDir()
				if out := run(t, python, "testdata/poplib_client.py", port, mode, "ann", "open sesame", folder, last); out != "" {
					t.Error(out)
				}
				wantAll(t, files(t, folder), letters())
			}
			wantEmpty(t, b)
		})
	}
}

// curl hands messages on as they are, byte for byte.
func TestInteropCurl(t *testing.T) {
	curl := tool(t, "curl")
	for mode, flags := range map[string][]string{
		"plain":   {"--login-options", "AUTH=PLAIN"},
		"initial": {"--login-options", "AUTH=PLAIN", "--sasl-ir"},
		"stls":    {"--ssl-reqd", "-k"},
		"login":   {"--ssl-reqd", "-k", "--login-options", "AUTH=LOGIN"},
		"tls":     {"-k"},
	} {
		t.Run(mode, func(t *testing.T) {
			b, port, implicit := interopServers(t)
			base := "pop3://127.0.0.1:" + port + "/"
			if mode == "tls" {
				base = "pop3s://127.0.0.1:" + implicit + "/"
			}
			fetch := func(args ...string) string {
				return run(t, curl, slices.Concat([]string{"-sS", "-m", "30", "--user", "ann:open sesame"}, flags, args)...)
			}
			all := letters()
			if list := fetch(base); !strings.HasPrefix(list, fmt.Sprintf("1 %d\r\n", len(all[0]))) || strings.Count(list, "\n") != len(all) {
				t.Errorf("LIST: %q", list)
			}
			if ids := fetch("-X", "UIDL", base); !strings.HasPrefix(ids, "1 77.1\r\n2 77.2\r\n") {
				t.Errorf("UIDL: %q", ids)
			}
			for i, m := range all {
				if got := fetch(fmt.Sprint(base, i+1)); got != arrived(m) {
					t.Errorf("message %d:\n%.300q\nwant\n%.300q", i+1, got, m)
				}
			}
			for range all {
				fetch("-I", "-X", "DELE 1", base)
			}
			wantEmpty(t, b)
		})
	}
}

func TestInteropMpop(t *testing.T) {
	mpop := tool(t, "mpop")
	for mode, flags := range map[string][]string{
		"user":  {"--auth=user", "--tls=off"},
		"plain": {"--auth=plain", "--tls=off"},
		"stls":  {"--auth=on", "--tls=on", "--tls-starttls=on", "--tls-certcheck=off"},
		"tls":   {"--auth=login", "--tls=on", "--tls-starttls=off", "--tls-certcheck=off"},
		"alone": {"--auth=user", "--tls=off", "--pipelining=off"},
	} {
		t.Run(mode, func(t *testing.T) {
			b, port, implicit := interopServers(t)
			if mode == "tls" {
				port = implicit
			}
			folder := t.TempDir()
			for _, sub := range []string{"cur", "new", "tmp"} {
				if err := os.Mkdir(filepath.Join(folder, sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			args := slices.Concat([]string{"--host=127.0.0.1", "--port=" + port, "--user=ann", "--passwordeval=echo open sesame",
				"--received-header=off", "--uidls-file=" + filepath.Join(folder, "uidls"), "--delivery=maildir," + folder}, flags)
			run(t, mpop, append(args, "--keep=on")...)
			wantAll(t, files(t, filepath.Join(folder, "new")), letters())
			// The unique ids are those of before: nothing is fetched again.
			run(t, mpop, append(args, "--keep=on")...)
			wantAll(t, files(t, filepath.Join(folder, "new")), letters())
			run(t, mpop, append(args, "--keep=off")...)
			wantEmpty(t, b)
		})
	}
}

func TestInteropFetchmail(t *testing.T) {
	fetchmail := tool(t, "fetchmail")
	for mode, options := range map[string]string{
		"clear": "sslproto ''",
		"stls":  "sslproto tls1.2+ no sslcertck",
		"tls":   "ssl no sslcertck",
		"uidl":  "sslproto ''",
	} {
		t.Run(mode, func(t *testing.T) {
			b, port, implicit := interopServers(t)
			// fetchmail breaks lines of more than 8 KiB.
			sent := slices.Delete(letters(), longLine, longLine+1)
			delete(b.content, longLine+1)
			if mode == "tls" {
				port = implicit
			}
			server := ""
			if mode == "uidl" {
				server = "uidl"
			}
			folder, home := t.TempDir(), t.TempDir()
			script := filepath.Join(home, "mda")
			if err := os.WriteFile(script, []byte("#!/bin/sh\nexec cat >"+folder+"/$$\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			rc := filepath.Join(home, "rc")
			text := fmt.Sprintf("set invisible\nset idfile %q\nset pidfile %q\npoll 127.0.0.1 protocol pop3 port %s %s\n"+
				"  username ann password \"open sesame\" fetchall nokeep norewrite %s\n  mda %q\n",
				filepath.Join(home, "ids"), filepath.Join(home, "pid"), port, server, options, script)
			if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, fetchmail, "-f", rc, "--nodetach", "--nosyslog")
			wantAll(t, files(t, folder), sent)
			wantEmpty(t, b)
		})
	}
}
