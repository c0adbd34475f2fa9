//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrival is a message as a receiver had it.
type arrival struct {
	Helo       string
	Extended   bool   // by EHLO
	TLS        bool   // after STARTTLS
	Local      string // the address that was connected to
	Sender     string
	Options    []string // of MAIL FROM
	Recipients []string
	SMTPUTF8   bool
	Content    []byte // with CRLF
}

// receiver is a strict SMTP server, Python's aiosmtpd, that keeps each message to the byte.
type receiver struct {
	*child
	dir  string
	port int
	read []arrival // so far
}

// startReceiver starts a receiver on one port of some loopback addresses, 127.0.0.1 alone if none are
// given.
func startReceiver(t *testing.T, withTLS bool, hosts ...string) *receiver {
	t.Helper()
	interpreter := python(t, "aiosmtpd")
	r := &receiver{dir: shortDir(t), port: freePort(t)}
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1"}
	}
	tls := "-"
	if withTLS {
		cert := writeCertificate(t, r.dir, "receiver.test")
		tls = cert + "," + filepath.Join(r.dir, "key.pem")
	}
	r.child = spawn(t, interpreter, append([]string{"-B", "testdata/interop/receiver.py", r.dir, fmt.Sprint(r.port), tls}, hosts...)...)
	for _, h := range hosts {
		awaitAddress(t, fmt.Sprintf("%s:%d", h, r.port), r.child.output)
	}
	return r
}

func (r *receiver) address() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

// mails returns what has come so far, in that order.
func (r *receiver) mails(t *testing.T) []arrival {
	t.Helper()
	for {
		name := filepath.Join(r.dir, fmt.Sprintf("%06d.json", len(r.read)+1))
		b, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return r.read
		}
		var m arrival
		if err == nil {
			err = json.Unmarshal(b, &m)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.read = append(r.read, m)
	}
}

// mailTo waits for a message to a recipient.
func (r *receiver) mailTo(t *testing.T, recipient string) (found arrival) {
	t.Helper()
	await(t, "a message to "+recipient, func() (bool, string) {
		all := r.mails(t)
		for _, m := range all {
			if slices.Contains(m.Recipients, recipient) {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d messages, to others", len(all))
	})
	return found
}

// sink is Postfix's smtp-sink, with a file for each message.
type sink struct {
	*child
	dir  string
	port int
}

// startSink starts smtp-sink with the flags that give it its manners.
func startSink(t *testing.T, flags ...string) *sink {
	t.Helper()
	path := program(t, "smtp-sink")
	s := &sink{dir: shortDir(t), port: freePort(t)}
	if os.Geteuid() == 0 { // it refuses to be root
		flags = append(flags, "-u", "postfix")
		if err := os.Chmod(s.dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	flags = append(flags, "-d", filepath.Join(s.dir, "m."), s.address(), "100")
	s.child = spawn(t, path, flags...)
	awaitAddress(t, s.address(), s.child.output)
	return s
}

func (s *sink) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// mails returns the whole messages so far: smtp-sink's own fields come first, and it writes line
// ends as LF and an empty line at the end.
func (s *sink) mails(t *testing.T) (all []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "m.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) { // it removes what did not become a message
			t.Fatal(err)
		}
		if len(b) > 0 {
			all = append(all, string(b))
		}
	}
	return all
}

// headerField returns the values of a header field, unfolded, in order.
func headerField(content, name string) (values []string) {
	header, _, _ := strings.Cut(strings.ReplaceAll(content, "\r\n", "\n"), "\n\n")
	header = strings.ReplaceAll(strings.ReplaceAll(header, "\n\t", " "), "\n ", " ")
	for line := range strings.SplitSeq(header, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(key, name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// checkContent checks that a message came with what the sender gave, byte for byte, after fields of
// its way alone.
func checkContent(t *testing.T, got, sent string, added ...string) {
	t.Helper()
	if !strings.HasSuffix(got, sent) {
		t.Errorf("the content changed: sent %d bytes, got %d\nsent %q\ngot  %q", len(sent), len(got), brief(sent), brief(got))
		return
	}
	added = append(added, "Received")
	trace := strings.TrimSuffix(got, sent)
	for line := range strings.Lines(trace) {
		name, _, _ := strings.Cut(line, ":")
		if line[0] != ' ' && line[0] != '\t' && !slices.Contains(added, name) {
			t.Errorf("added to the message: %q", line)
		}
	}
	if !strings.Contains(trace, "by relay.posthaste.test with ") {
		t.Errorf("no Received field of ours: %q", trace)
	}
}

// brief shows both ends of a long text.
func brief(s string) string {
	if len(s) > 600 {
		return s[:300] + "[...]" + s[len(s)-300:]
	}
	return s
}

// post sends a message with Python's smtplib; parameters of a recipient follow it after a space.
func post(t *testing.T, address, sender, options, content string, recipients ...string) {
	t.Helper()
	args := append([]string{"-B", "testdata/interop/submit.py", address, sender, options}, recipients...)
	mustExecute(t, content, program(t, "python3"), args...)
}
