//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Mail that comes in by SMTP is read over IMAP as it was sent, by programs that we did not write and each
// mechanism that they know.
func TestInteropIMAP(t *testing.T) {
	t.Parallel()
	readers := map[string]imapRead{
		"curl":             readCurl("PLAIN", "imap"),
		"curl imaps":       readCurl("LOGIN", "imaps"),
		"imaplib":          readImaplib("starttls", "imap"),
		"imaplib tls":      readImaplib("tls", "imaps"),
		"mbsync scram":     readMbsync("STARTTLS", "SCRAM-SHA-256", "imap"),
		"mbsync scram tls": readMbsync("IMAPS", "SCRAM-SHA-256", "imaps"),
		"mbsync login":     readMbsync("IMAPS", "LOGIN", "imaps"),
		"offlineimap":      readOfflineimap("imaps"),
		"gsasl":            readGsasl(),
	}
	user := func(name string) string { return strings.ReplaceAll(name, " ", ".") + "@home.test" }
	var users []string
	for name := range readers {
		users = append(users, user(name))
	}
	r := startMailboxes(t, "limits.line_length = 65536\n", users...)
	sent := homeLetters()
	for _, m := range sent {
		mustExecute(t, m, program(t, "python3"), "-B", "testdata/interop/bdat.py", r.mx, "bob@away.test", "all@home.test", "4096")
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			r.awaitMessages(t, user(name), len(sent))
			folder := t.TempDir()
			if read(t, r, user(name), folder) {
				checkFetched(t, folder, user(name), sent)
			}
			r.awaitMessages(t, user(name), len(sent)) // IMAP leaves them
		})
	}
	if strings.Contains(r.output(), mailboxSecret) {
		t.Error("the secret is in the log")
	}
}

// imapRead copies the mail of a user, each message into a file of the folder; false: the program only logs in.
type imapRead func(t *testing.T, r *relayServer, user, folder string) bool

func readCurl(mechanism, listener string) imapRead {
	return func(t *testing.T, r *relayServer, user, folder string) bool {
		for uid := range len(homeLetters()) {
			url := fmt.Sprintf("%s://localhost:%s/INBOX;UID=%d", listener, r.port(t, listener), uid+1)
			mustExecute(t, "", program(t, "curl"), "-sS", "-m", "60", "--ssl-reqd", "--cacert", r.certificate, "--user", user+":"+mailboxSecret,
				"--login-options", "AUTH="+mechanism, "-o", filepath.Join(folder, fmt.Sprint(uid)), url)
		}
		return true
	}
}

const imaplibReader = `
import imaplib, ssl, sys, os
mode, port, user, secret, certificate, folder = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
if mode == "tls":
    m = imaplib.IMAP4_SSL("localhost", int(port), ssl_context=context)
else:
    m = imaplib.IMAP4("localhost", int(port))
    assert "LOGINDISABLED" in m.capabilities, m.capabilities
    m.starttls(context)
m.authenticate("PLAIN", lambda challenge: ("\0" + user + "\0" + secret).encode())
typ, n = m.select("INBOX")
for i in range(1, int(n[0]) + 1):
    typ, data = m.fetch(str(i), "(BODY.PEEK[])")
    with open(os.path.join(folder, str(i)), "wb") as f:
        f.write(data[0][1])
m.logout()
`

func readImaplib(mode, listener string) imapRead {
	return func(t *testing.T, r *relayServer, user, folder string) bool {
		mustExecute(t, "", program(t, "python3"), "-B", "-c", imaplibReader, mode, r.port(t, listener), user, mailboxSecret, r.certificate, folder)
		return true
	}
}

func readMbsync(tls, mechanism, listener string) imapRead {
	return func(t *testing.T, r *relayServer, user, folder string) bool {
		if mechanism != "LOGIN" && !isFile("/usr/lib/x86_64-linux-gnu/sasl2/libscram.so") && !isFile("/usr/lib/aarch64-linux-gnu/sasl2/libscram.so") {
			lacking(t, "Cyrus SASL has no SCRAM")
		}
		home := t.TempDir()
		rc := putFile(t, filepath.Join(home, "rc"), fmt.Sprintf("IMAPAccount x\nHost localhost\nPort %s\nUser %s\nPass \"%s\"\nSSLType %s\n"+
			"CertificateFile %s\nAuthMechs %s\n\nIMAPStore far\nAccount x\n\nMaildirStore near\nPath %s/\nInbox %[7]s/INBOX\n\n"+
			"Channel x\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n",
			r.port(t, listener), user, mailboxSecret, tls, r.certificate, mechanism, home))
		mustExecute(t, "", program(t, "mbsync"), "-c", rc, "-a")
		collect(t, filepath.Join(home, "INBOX"), folder)
		return true
	}
}

// collect copies the messages of a Maildir, without the line that mbsync puts in.
func collect(t *testing.T, maildir, folder string) {
	t.Helper()
	for _, sub := range []string{"cur", "new"} {
		paths, _ := filepath.Glob(filepath.Join(maildir, sub, "*"))
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			if before, after, ok := strings.Cut(text, "\nX-TUID: "); ok {
				_, after, _ = strings.Cut(after, "\n")
				text = before + "\n" + after
			}
			putFile(t, filepath.Join(folder, filepath.Base(path)), text)
		}
	}
}

func readOfflineimap(listener string) imapRead {
	return func(t *testing.T, r *relayServer, user, folder string) bool {
		home := t.TempDir()
		rc := putFile(t, filepath.Join(home, "rc"), fmt.Sprintf("[general]\naccounts = x\nmetadata = %[1]s/state\n[Account x]\nlocalrepository = near\n"+
			"remoterepository = far\n[Repository near]\ntype = Maildir\nlocalfolders = %[1]s/mail\n[Repository far]\ntype = IMAP\nremotehost = localhost\n"+
			"remoteport = %s\nssl = yes\nsslcacertfile = %s\nremoteuser = %s\nremotepass = %s\nreadonly = True\n",
			home, r.port(t, listener), r.certificate, user, mailboxSecret))
		mustExecute(t, "", program(t, "offlineimap"), "-c", rc, "-o", "-u", "basic")
		collect(t, filepath.Join(home, "mail", "INBOX"), folder)
		return true
	}
}

// readGsasl logs in by SCRAM that is bound to TLS.
func readGsasl() imapRead {
	return func(t *testing.T, r *relayServer, user, _ string) bool {
		for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"} {
			args := []string{"--verbose", "--imap", "--connect=localhost:" + r.port(t, "imap"), "--starttls", "--x509-ca-file=" + r.certificate,
				"--authentication-id=" + user, "--authorization-id=", "--mechanism=" + mechanism}
			if mechanism == "SCRAM-SHA-256" {
				args = append(args, "--no-cb")
			}
			out, code := execute(t, "", program(t, "gsasl"), append(args, "--password="+mailboxSecret)...)
			if code != 0 || !strings.Contains(out, "Client authentication finished (server trusted)") {
				t.Errorf("%s: exit code %d\n%s", mechanism, code, tail(out))
			}
			if out, code := execute(t, "", program(t, "gsasl"), append(args, "--password=wrong")...); code == 0 {
				t.Errorf("%s with a wrong secret:\n%s", mechanism, tail(out))
			}
		}
		return false
	}
}
