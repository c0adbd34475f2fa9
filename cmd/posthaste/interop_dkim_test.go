//go:build interop

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"
)

// verifyDKIM has dkimpy verify each signature of a message, in their order: the domain and algorithm, or BAD.
const verifyDKIM = `
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

// Mail of our own, and a report about it, comes to the receiver with signatures that others verify; keys made by the
// command line sign as soon as they are active.
func TestInteropDKIM(t *testing.T) {
	t.Parallel()
	interpreter := python(t, "dkim, nacl")
	to := startReceiver(t, false)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\ndkim.expiry = \"240h\"\nbounce.from = \"mailer@three.test\"\n", to.address()))
	post(t, r.mx, "ann@sender.test", "", awkward, "before@away.test")
	for domain, algorithm := range map[string]string{"sender.test": "both", "three.test": "rsa3"} {
		if out, code := r.command(t, "dkim", "generate", domain, "--algorithm", algorithm); code != 0 {
			t.Fatal(out)
		}
		if out, code := r.command(t, "dkim", "activate", domain, "--force"); code != 0 {
			t.Fatal(out)
		}
	}
	zone := keyRecords(t, r, "sender.test", "three.test")
	both := "sender.test rsa-sha256\nsender.test ed25519-sha256\n"
	post(t, r.mx, "ann@sender.test", "", awkward, "after@away.test")
	post(t, r.submission, "ann@sender.test", "BODY=8BITMIME", "From: ann@news.sender.test\r\nBcc: secret@away.test\r\nSubject: x\r\n\r\nStraße  \r\n\r\n\r\n", "submitted@away.test")
	post(t, r.mx, "ann@three.test", "", strings.Replace(awkward, "ann@sender.test", "ann@three.test", 1), "three@away.test")
	for rcpt, want := range map[string]string{
		"before@away.test": "", "after@away.test": both, "submitted@away.test": both, "three@away.test": "three.test rsa-sha256\n",
	} {
		content := to.mailTo(t, rcpt).Content
		checkSignatures(t, rcpt, content, interpreter, zone, want)
		trace, code := r.command(t, "trace", r.await(t, "delivered", rcpt).ID)
		if n := strings.Count(trace, "  signed      d="); n != strings.Count(want, "\n") || code != 0 {
			t.Errorf("%s: %d signatures are traced\n%s", rcpt, n, trace)
		}
	}
	// A key that does not load is an error of the reload, by file, line and key; the keys before stay in force.
	const broken = "/data/dkim/three.test.broken.pem"
	putFile(t, r.dir+broken, "no key")
	list := r.dir + "/data/dkim/keys.toml"
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	lines := 1 + bytes.Count(text, []byte("\n"))
	putFile(t, list, string(text)+"[[key]]\ndomain = \"three.test\"\nselector = \"x\"\nfile = \"three.test.broken.pem\"\n")
	wrong := fmt.Sprintf("keys.toml:%d: key[3].file: key file %s: is neither PEM", lines+3, r.dir+broken)
	if out, code := r.command(t, "reload"); code == 0 || !strings.Contains(out, wrong) {
		t.Errorf("reload with a broken key: exit code %d: %s\nwant %s", code, out, wrong)
	}
	post(t, r.mx, "ann@sender.test", "", awkward, "still@away.test")
	checkSignatures(t, "after the reload", to.mailTo(t, "still@away.test").Content, interpreter, zone, both)
	putFile(t, list, string(text))
	// The report comes from a domain of its own.
	post(t, r.mx, "ann@sender.test", "", awkward, "late@away.test")
	id := r.await(t, "delivered", "late@away.test").ID
	to.stop()
	post(t, r.mx, "ann@sender.test", "", awkward, "bounced@away.test")
	if out, code := r.command(t, "queue", "bounce", "--rcpt", "bounced@away.test", "--reason", "test of "+id, "--yes"); code != 0 {
		t.Fatal(out)
	}
	var report string
	await(t, "the report", func() (bool, string) {
		for line := range strings.Lines(r.eventText()) {
			if strings.Contains(line, `"type":"report"`) {
				report = line
			}
		}
		return report != "", r.eventText()
	})
	if !strings.Contains(report, `"dkim":"d=three.test s=`) {
		t.Errorf("the report is not signed: %s", report)
	}
	if out, code := r.command(t, "queue", "drop", "--all", "--yes"); code != 0 {
		t.Error(out)
	}
}

// checkSignatures has two others verify a message.
func checkSignatures(t *testing.T, name string, content []byte, interpreter string, zone map[string]string, want string) {
	t.Helper()
	var lines strings.Builder
	for record, text := range zone {
		fmt.Fprintf(&lines, "%s %s\n", record, text)
	}
	file := putFile(t, filepath.Join(t.TempDir(), "zone"), lines.String())
	if out, code := execute(t, string(content), interpreter, "-c", verifyDKIM, file); out != want || code != 0 {
		t.Errorf("%s: dkimpy: %q (exit code %d), want %q\n%s", name, out, code, want, content)
	}
	results, err := dkim.VerifyWithOptions(bytes.NewReader(content), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if text, ok := zone[name]; ok {
			return []string{text}, nil
		}
		return nil, &net.DNSError{Name: name, IsNotFound: true}
	}})
	if err != nil || len(results) != strings.Count(want, "\n") {
		t.Errorf("%s: go-msgauth: %d results, %v", name, len(results), err)
	}
	for _, result := range results {
		if result.Err != nil || result.Expiration.IsZero() {
			t.Errorf("%s: go-msgauth: %s: %v, expires at %v", name, result.Domain, result.Err, result.Expiration)
		}
	}
}

// keyRecords returns what the command line says is to be published, by name.
func keyRecords(t *testing.T, r *relayServer, domains ...string) map[string]string {
	t.Helper()
	zone := map[string]string{}
	for _, domain := range domains {
		out, code := r.command(t, "dkim", "record", domain)
		if code != 0 {
			t.Fatal(out)
		}
		parser := dns.NewZoneParser(strings.NewReader(out), ".", "")
		for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
			zone[strings.TrimSuffix(rr.Header().Name, ".")] = strings.Join(rr.(*dns.TXT).Txt, "")
		}
		if err := parser.Err(); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
	}
	return zone
}
