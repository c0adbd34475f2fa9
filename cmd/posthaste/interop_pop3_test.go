//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Mail that comes in by SMTP is fetched over POP3 as it was sent, by programs that we did not write.
func TestInteropPOP3(t *testing.T) {
	t.Parallel()
	fetchers := map[string]popFetch{
		"curl":             fetchCurl("", "--ssl-reqd", "pop3"),
		"curl plain":       fetchCurl("PLAIN", "--ssl-reqd", "pop3"),
		"curl pop3s":       fetchCurl("LOGIN", "--sasl-ir", "pop3s"),
		"poplib stls":      fetchPoplib("stls", "pop3"),
		"poplib pop3s":     fetchPoplib("tls", "pop3s"),
		"mpop user":        fetchMpop("user", "on", "pop3"),
		"mpop scram":       fetchMpop("scram-sha-256", "on", "pop3"),
		"mpop scram pop3s": fetchMpop("scram-sha-256", "off", "pop3s"),
		"mpop auto":        fetchMpop("on", "on", "pop3"),
		"fetchmail stls":   fetchFetchmail("sslproto tls1.2+", "pop3"),
		"fetchmail pop3s":  fetchFetchmail("ssl", "pop3s"),
	}
	user := func(name string) string { return strings.ReplaceAll(name, " ", ".") + "@home.test" }
	var users []string
	for name := range fetchers {
		users = append(users, user(name))
	}
	r := startMailboxes(t, "limits.line_length = 65536\n", users...)
	sent := homeLetters()
	for _, m := range sent {
		mustExecute(t, m, program(t, "python3"), "-B", "testdata/interop/bdat.py", r.mx, "bob@away.test", "all@home.test", "4096")
	}
	for name, fetch := range fetchers {
		t.Run(name, func(t *testing.T) {
			r.awaitMessages(t, user(name), len(sent))
			folder := t.TempDir()
			fetch(t, r, user(name), folder)
			checkFetched(t, folder, user(name), sent)
			r.awaitMessages(t, user(name), 0)
		})
	}
	if strings.Contains(r.output(), mailboxSecret) {
		t.Error("the secret is in the log")
	}
}

// popFetch fetches and removes the mail of a user, each message into a file of the folder.
type popFetch func(t *testing.T, r *relayServer, user, folder string)

// checkFetched compares the files in a folder with what was sent. Some programs store lines with LF alone.
func checkFetched(t *testing.T, folder, user string, sent []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(sent) {
		t.Errorf("%d messages were fetched, want %d", len(entries), len(sent))
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
		id := slices.Concat(headerField(got, "Message-ID"), []string{"none"})[0]
		i := slices.IndexFunc(sent, func(m string) bool { return strings.Contains(m, "Message-ID: "+id+"\r\n") })
		if i < 0 {
			t.Errorf("fetched what was never sent: %q", brief(got))
			continue
		}
		want := sent[i]
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n" // POP3 cannot do without
		}
		checkContent(t, got, want, "Return-Path", "Delivered-To", "X-Original-To")
		if headerField(got, "Return-Path")[0] != "<bob@away.test>" || headerField(got, "Delivered-To")[0] != user ||
			headerField(got, "X-Original-To")[0] != "all@home.test" {
			t.Errorf("delivered with %q", brief(got))
		}
	}
}

func fetchCurl(mechanism, flag, listener string) popFetch {
	return func(t *testing.T, r *relayServer, user, folder string) {
		curl := program(t, "curl")
		base := listener + "://localhost:" + r.port(t, listener) + "/"
		fetch := func(args ...string) string {
			command := []string{"-sS", "-m", "60", flag, "--cacert", r.certificate, "--user", user + ":" + mailboxSecret}
			if mechanism != "" {
				command = append(command, "--login-options", "AUTH="+mechanism)
			}
			return mustExecute(t, "", curl, append(command, args...)...)
		}
		count := strings.Count(fetch(base), "\n")
		for n := 1; n <= count; n++ {
			putFile(t, filepath.Join(folder, fmt.Sprint(n)), fetch(fmt.Sprint(base, n)))
		}
		for range count {
			fetch("-I", "-X", "DELE 1", base)
		}
	}
}

func fetchPoplib(mode, listener string) popFetch {
	return func(t *testing.T, r *relayServer, user, folder string) {
		out := mustExecute(t, "", program(t, "python3"), "-B", "../../mailbox/pop3/testdata/poplib_client.py", r.port(t, listener), mode,
			user, mailboxSecret, folder, "delete")
		if out != "" {
			t.Error(out)
		}
	}
}

func fetchMpop(mechanism, starttls, listener string) popFetch {
	return func(t *testing.T, r *relayServer, user, folder string) {
		box := t.TempDir()
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.Mkdir(filepath.Join(box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		mustExecute(t, "", program(t, "mpop"), "--host=localhost", "--port="+r.port(t, listener), "--auth="+mechanism, "--user="+user,
			"--passwordeval=echo '"+mailboxSecret+"'", "--tls=on", "--tls-starttls="+starttls, "--tls-trust-file="+r.certificate,
			"--received-header=off", "--keep=off", "--uidls-file="+filepath.Join(box, "uidls"), "--delivery=maildir,"+box)
		entries, err := os.ReadDir(filepath.Join(box, "new"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := os.Rename(filepath.Join(box, "new", e.Name()), filepath.Join(folder, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func fetchFetchmail(options, listener string) popFetch {
	return func(t *testing.T, r *relayServer, user, folder string) {
		home := t.TempDir()
		script := putFile(t, filepath.Join(home, "mda"), "#!/bin/sh\nexec cat >"+folder+"/$$\n")
		rc := putFile(t, filepath.Join(home, "rc"), fmt.Sprintf("set invisible\nset idfile %q\nset pidfile %q\npoll localhost protocol pop3 port %s\n"+
			"  username %q password %q fetchall nokeep norewrite %s sslcertck sslcertfile %q\n  mda %q\n",
			filepath.Join(home, "ids"), filepath.Join(home, "pid"), r.port(t, listener), user, mailboxSecret, options, r.certificate, script))
		for _, err := range []error{os.Chmod(script, 0o700), os.Chmod(rc, 0o600)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		mustExecute(t, "", program(t, "fetchmail"), "-f", rc, "--nodetach", "--nosyslog")
	}
}

// A user who is disabled is out at the next command, removes nothing, and leaves the maildrop free.
func TestInteropPOP3Disabled(t *testing.T) {
	t.Parallel()
	r := startMailboxes(t, "", "ann@home.test")
	python := program(t, "python3")
	mustExecute(t, homeLetters()[0], python, "-B", "testdata/interop/bdat.py", r.mx, "bob@away.test", "ann@home.test", "4096")
	r.awaitMessages(t, "ann@home.test", 1)
	const session = `import poplib, ssl, subprocess, sys
def login():
    p = poplib.POP3_SSL("localhost", int(sys.argv[1]), context=ssl._create_unverified_context(), timeout=60)
    p.user("ann@home.test"); p.pass_(sys.argv[2])
    return p
def user(what):
    subprocess.run([sys.argv[3], "user", what, "ann@home.test", "--config", sys.argv[4]], check=True)
p = login()
p.dele(1)
user("disable")
for run in p.noop, login:
    try:
        print("worked:", run())
    except poplib.error_proto as e:
        print(e.args[0].decode().split("]")[0])
user("enable")
print(login().stat()[0])
`
	out := mustExecute(t, "", python, "-c", session, r.port(t, "pop3s"), mailboxSecret, r.binary, r.config)
	if out != "-ERR [SYS/TEMP\n-ERR [AUTH\n1\n" {
		t.Error(out)
	}
}
