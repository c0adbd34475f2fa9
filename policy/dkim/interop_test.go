//go:build interop

package dkim

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// These tests let other people's programs verify what we sign. A program that is missing skips its
// test, or fails it when POSTHASTE_INTEROP_REQUIRE=1.

// lacking ends the test because something is not on this machine.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("POSTHASTE_INTEROP_REQUIRE") == "1" {
		t.Fatalf("%s (make deps-interop installs what the tests need)", what)
	}
	t.Skipf("%s (make deps-interop installs what the tests need)", what)
}

// interopCases are messages signed by each kind of key, and what has to be published.
func interopCases(t *testing.T) (mails map[string][]byte, dns records) {
	keys := []*Key{
		key(t, "example.com", "two", "two.pkcs8.pem"),
		key(t, "three.example", "three", "three.pkcs8.pem"),
		key(t, "example.com", "ed", "ed25519.pkcs8.pem"),
		key(t, "provider.example", "ed", "rfc8463.ed25519.seed"),
	}
	dns = publish(keys...)
	s := signer(t, Options{}, "provider.example", keys...)
	mails = map[string][]byte{}
	for name, mail := range map[string]string{
		"letter":      letter,
		"empty body":  "From: a@example.com\nDate: Sat, 1 Aug 2026 12:00:00 +0000\n\n",
		"odd":         "fROM:\n a@example.com\nDate: Sat, 1 Aug 2026 12:00:00 +0000\nSUBJECT:  a\n\t b  \nTo: x\nTo: y\n\n \t\n. \n..x  y\n\n \n",
		"no line end": "From: a@example.com\nDate: Sat, 1 Aug 2026 12:00:00 +0000\nReferences: <1@x>\n <2@x>\n\nHello  you",
	} {
		for _, from := range []string{"example.com", "three.example"} {
			sent := signed(t, s, from, crlf(mail))
			if !bytes.HasSuffix(sent, []byte("\r\n")) { // SMTP sends no half lines
				sent = append(sent, "\r\n"...)
			}
			mails[name+" from "+from] = sent
		}
	}
	return mails, dns
}

func TestPythonDKIM(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's modules are seen by Debian's Python alone
	if out, err := exec.Command(python, "-c", "import dkim, nacl").CombinedOutput(); err != nil {
		lacking(t, fmt.Sprintf("python3-dkim and python3-nacl: %v: %s", err, out))
	}
	// It verifies one signature after another; the argument says where the records are.
	const script = `
import dkim, sys
zone = dict(line.rstrip("\n").split(" ", 1) for line in open(sys.argv[1]))
def txt(name, timeout=5):
    found = zone.get(name.decode().rstrip("."))
    return found.encode() if found else None
d = dkim.DKIM(sys.stdin.buffer.read())
total = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
for i in range(total):
    print(d.domain.decode() if d.verify(idx=i, dnsfunc=txt) else "BAD", d.signature_fields[b"a"].decode())
`
	mails, dns := interopCases(t)
	zone := writeZone(t, dns)
	for name, mail := range mails {
		want := "example.com rsa-sha256\nexample.com ed25519-sha256\nprovider.example ed25519-sha256\n"
		if strings.HasSuffix(name, "three.example") {
			want = "three.example rsa-sha256\nprovider.example ed25519-sha256\n"
		}
		cmd := exec.Command(python, "-c", script, zone)
		cmd.Stdin = bytes.NewReader(mail)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, mail)
		}
	}
}

func TestOpenDKIM(t *testing.T) {
	const program = "/usr/sbin/opendkim"
	if _, err := os.Stat(program); err != nil {
		lacking(t, "opendkim is not installed")
	}
	mails, dns := interopCases(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "opendkim.conf")
	text := "Mode v\nTestPublicKeys " + writeZone(t, dns) + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, mail := range mails {
		file := filepath.Join(dir, "mail")
		if err := os.WriteFile(file, mail, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "-x", config, "-v", "-v", "-t", file).CombinedOutput()
		want := []string{"d=example.com header.i=@example.com header.a=rsa-sha256", "d=example.com header.i=@example.com header.a=ed25519-sha256"}
		if strings.HasSuffix(name, "three.example") {
			want = []string{"d=three.example header.i=@three.example header.a=rsa-sha256"}
		}
		want = append(want, "d=provider.example header.i=@provider.example header.a=ed25519-sha256")
		passes := bytes.Count(out, []byte("dkim=pass"))
		for _, w := range want {
			if !bytes.Contains(out, []byte(" header."+w)) || passes != len(want) || err != nil {
				t.Errorf("%s: %v\n%s\n%s", name, err, out, mail)
				break
			}
		}
	}
}

// writeZone writes the records as lines of a name and a text.
func writeZone(t *testing.T, dns records) string {
	t.Helper()
	var b strings.Builder
	for name, texts := range dns {
		fmt.Fprintf(&b, "%s %s\n", name, texts[0])
	}
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
