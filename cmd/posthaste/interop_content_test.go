//go:build interop

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What comes in by DATA, by a stream of curl's or in chunks, in the clear or not, goes out as it was, but for the
// fields of its way.
func TestInteropContent(t *testing.T) {
	t.Parallel()
	curl, interpreter := program(t, "curl"), program(t, "python3")
	to := startReceiver(t, true)
	r := startRelay(t, fmt.Sprintf("smart_host = %q\n", to.address()))
	for name, text := range contents() {
		for way, send := range map[string]func(rcpt string){
			"data": func(rcpt string) { post(t, r.mx, "ann@sender.test", "", text, rcpt) },
			"curl": func(rcpt string) {
				file := putFile(t, filepath.Join(r.dir, name), text)
				mustExecute(t, "", curl, "-sS", "--cacert", r.certificate, "--mail-from", "ann@sender.test", "--mail-rcpt", rcpt, "-T", file,
					"smtps://localhost:"+portOf(t, r.submissions))
			},
			"bdat": func(rcpt string) {
				size := 7 // cuts every CR LF and every dot from its line
				if len(text) > 10_000 {
					size = 99_999
				}
				mustExecute(t, text, interpreter, "-B", "testdata/interop/bdat.py", r.mx, "ann@sender.test", rcpt, fmt.Sprint(size))
			},
		} {
			rcpt := way + "." + name + "@away.test"
			send(rcpt)
			checkContent(t, string(to.mailTo(t, rcpt).Content), text)
		}
	}
	// Only BDAT can carry a last line without an end; DATA, which the next hop wants, has to end it.
	open := strings.TrimSuffix(awkward, "\r\n\r\n") + "\r\n.open"
	mustExecute(t, open, interpreter, "-B", "testdata/interop/bdat.py", r.mx, "ann@sender.test", "open@away.test", "100")
	checkContent(t, string(to.mailTo(t, "open@away.test").Content), open+"\r\n")
	// A line beyond the limit, and text that would end the message for a careless server.
	for what, text := range map[string]string{
		"a long line":   "Subject: long\r\n\r\n" + strings.Repeat("x", 999) + "\r\n",
		"a hidden end":  "Subject: smuggler\r\n\r\nfirst\r\n.\nMAIL FROM:<eve@sender.test>\r\n",
		"a hidden end2": "Subject: smuggler\r\n\r\nfirst\n.\r\nMAIL FROM:<eve@sender.test>\r\n",
	} {
		out, code := execute(t, text, interpreter, "-B", "testdata/interop/bdat.py", r.mx, "ann@sender.test", "never@away.test", "1000000")
		if code == 0 || !strings.HasPrefix(out, "5") {
			t.Errorf("%s: exit code %d, %s", what, code, out)
		}
	}
	if n, want := len(to.mails(t)), 3*len(contents())+1; n != want {
		t.Errorf("%d messages arrived, want %d", n, want)
	}
}
