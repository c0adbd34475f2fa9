//go:build interop

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Reports of every kind, read back by Python's email package and by the parser that list managers of the Perl
// world use.
func TestInteropReports(t *testing.T) {
	t.Parallel()
	interpreter := program(t, "python3")
	perl := program(t, "perl")
	if out, err := exec.Command(perl, "-MMail::DeliveryStatus::BounceParser", "-e", "1").CombinedOutput(); err != nil {
		lacking(t, fmt.Sprintf("Perl has no Mail::DeliveryStatus::BounceParser: %s", out))
	}
	away := startReceiver(t, false)
	late := startSink(t, "-r", "RCPT")
	r := startRelay(t, quickRetry+fmt.Sprintf(`retry.delay_warning = "1ms"
retry.domain = [{ match = ["late.test"], expire = "300ms", delay_warning = "0s" }]
smart_host = %q
routes."late.test" = %q
`, away.address(), late.address()))
	const hello = "From: Ann <ann@sender.test>\r\nTo: Bob <bob@away.test>\r\nSubject: hello\r\nMIME-Version: 1.0\r\n\r\nhi\r\n"
	for _, c := range []struct {
		name, sender, options, content string
		recipients                     []string
		want, perl                     string
	}{
		{
			name: "full", sender: "full@sender.test", options: "RET=FULL ENVID=A+2B1", content: hello,
			recipients: []string{"unknown1@away.test ORCPT=rfc822;Un+2Bknown@Away.test", "unknown2@away.test", "fine@away.test"},
			want: `report: multipart/report delivery-status
from: MAILER-DAEMON@relay.posthaste.test to: full@sender.test
auto-submitted: auto-replied date: True
text: text/plain True
status: message/delivery-status
 --
  Reporting-MTA: dns; relay.posthaste.test
  Original-Envelope-Id: A+1
  Arrival-Date: True
 --
  Original-Recipient: rfc822; Un+known@Away.test
  Final-Recipient: rfc822; unknown1@away.test
  Action: failed
  Status: 5.1.1
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 550 5.1.1 no such user here
  Last-Attempt-Date: True
 --
  Final-Recipient: rfc822; unknown2@away.test
  Action: failed
  Status: 5.1.1
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 550 5.1.1 no such user here
  Last-Attempt-Date: True
returned: message/rfc822
  subject: hello
  body: 'hi\r\n'
`,
			perl: "bounce: yes\nUn+known@Away.test: user_unknown, 550\nunknown2@away.test: user_unknown, 550\n",
		},
		{
			name: "header", sender: "header@sender.test", options: "RET=HDRS BODY=8BITMIME", content: strings.Replace(hello, "hi", "na\xefve", 1),
			recipients: []string{"unknown3@away.test"},
			want: `report: multipart/report delivery-status
from: MAILER-DAEMON@relay.posthaste.test to: header@sender.test
auto-submitted: auto-replied date: True
text: text/plain True
status: message/delivery-status
 --
  Reporting-MTA: dns; relay.posthaste.test
  Arrival-Date: True
 --
  Final-Recipient: rfc822; unknown3@away.test
  Action: failed
  Status: 5.1.1
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 550 5.1.1 no such user here
  Last-Attempt-Date: True
returned: text/rfc822-headers
  subject: hello
  body: None
`,
			perl: "bounce: yes\nunknown3@away.test: user_unknown, 550\n",
		},
		{
			name: "utf8", sender: "änn@sender.test", options: "SMTPUTF8 BODY=8BITMIME RET=FULL", content: strings.Replace(hello, "hello", "grüße", 1),
			recipients: []string{`unknown-jürgen@away.test ORCPT=utf-8;j\x{FC}@away.test`},
			want: `report: multipart/report global-delivery-status
from: MAILER-DAEMON@relay.posthaste.test to: änn@sender.test
auto-submitted: auto-replied date: True
text: text/plain True
status: message/global-delivery-status
 --
  Reporting-MTA: dns; relay.posthaste.test
  Arrival-Date: True
 --
  Original-Recipient: utf-8; jü@away.test
  Final-Recipient: utf-8; unknown-jürgen@away.test
  Action: failed
  Status: 5.1.1
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 550 5.1.1 no such user here
  Last-Attempt-Date: True
returned: message/global
  subject: grüße
  body: 'hi\r\n'
`,
		},
		{
			name: "delay", sender: "delay@sender.test", options: "RET=HDRS", content: hello,
			recipients: []string{"busy@away.test NOTIFY=DELAY"},
			want: `report: multipart/report delivery-status
from: MAILER-DAEMON@relay.posthaste.test to: delay@sender.test
auto-submitted: auto-replied date: True
text: text/plain True
status: message/delivery-status
 --
  Reporting-MTA: dns; relay.posthaste.test
  Arrival-Date: True
 --
  Final-Recipient: rfc822; busy@away.test
  Action: delayed
  Status: 4.2.1
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 451 4.2.1 come back later
  Last-Attempt-Date: True
  Will-Retry-Until: True
returned: text/rfc822-headers
  subject: hello
  body: None
`,
			perl: "bounce: no\n",
		},
		{
			name: "expired", sender: "late@sender.test", options: "RET=HDRS", content: hello,
			recipients: []string{"bob@late.test"},
			want: `report: multipart/report delivery-status
from: MAILER-DAEMON@relay.posthaste.test to: late@sender.test
auto-submitted: auto-replied date: True
text: text/plain True
status: message/delivery-status
 --
  Reporting-MTA: dns; relay.posthaste.test
  Arrival-Date: True
 --
  Final-Recipient: rfc822; bob@late.test
  Action: failed
  Status: 4.3.0
  Remote-MTA: dns; [127.0.0.1]
  Diagnostic-Code: smtp; 450 4.3.0 Error: command failed
  Last-Attempt-Date: True
returned: text/rfc822-headers
  subject: hello
  body: None
`,
			perl: "bounce: yes\nbob@late.test: unknown, 450\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			post(t, r.mx, c.sender, c.options, c.content, c.recipients...)
			m := away.mailTo(t, c.sender)
			if m.Sender != "<>" && m.Sender != "" {
				t.Errorf("sender %q", m.Sender)
			}
			got := mustExecute(t, string(m.Content), interpreter, "-B", "testdata/interop/bounce.py")
			if got != c.want {
				t.Errorf("Python reads\n%s\nwant\n%s\nof\n%s", got, c.want, m.Content)
			}
			if c.perl == "" {
				return // the parser is older than RFC 6533
			}
			mailbox := strings.ReplaceAll(string(m.Content), "\r\n", "\n")
			if got := mustExecute(t, mailbox, perl, "testdata/interop/bounce.pl"); got != c.perl {
				t.Errorf("Perl reads\n%s\nwant\n%s\nof\n%s", got, c.perl, m.Content)
			}
		})
	}
}
