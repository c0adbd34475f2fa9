package main

import (
	"context"
	"errors"
	"net/textproto"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// sendTo sends a message to one recipient, and returns what the relay says to that: "" if it took it.
func (s *crashStory) sendTo(to string) string {
	s.Helper()
	c, err := gosmtp.Dial(s.relay.addr)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	err = c.SendMail("ann@sender.test", []string{to}, strings.NewReader("Subject: x\r\n\r\nhello\r\n"))
	var refused *gosmtp.SMTPError
	var early *textproto.Error
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.As(err, &early):
		return early.Msg
	case err != nil:
		return err.Error()
	}
	return ""
}

// Of the running program: a quota outlives a restart, a reload changes it, a wrong one changes nothing, and whoever gets
// no mail uses up none of it; the books are even.
func TestLimitsAndSuppressionOfADaemon(t *testing.T) {
	s := newCrashStory(t, "")
	s.relay.routes["dead.test"] = "127.0.0.1:1"
	limits := func(amount string) {
		s.relay.tables = "[[limit]]\neach = \"client\"\nrecipients = [\"" + amount + "\"]\n"
		s.relay.writeConfig()
	}
	limits("2/day")
	s.relay.start()
	s.relay.awaitReady()
	s.relay.audit() // it serves
	daemon := admin.NewClient(filepath.Join(s.relay.dir, "ctl.sock"))
	defer daemon.Close()
	if err := daemon.Suppression().Add(context.Background(), suppress.Entry{Target: "gone@dead.test", Reason: "complaint"}); err != nil {
		t.Fatal(err)
	}
	full := func(amount string) {
		t.Helper()
		if said := s.sendTo("one-more@dead.test"); !strings.Contains(said, "limit of "+amount+" recipients in one day for client 127.0.0.1 reached") {
			t.Errorf("over the limit: %q", said)
		}
	}
	taken := func(to ...string) {
		t.Helper()
		for _, rcpt := range to {
			if said := s.sendTo(rcpt); said != "" {
				t.Errorf("%s: %s", rcpt, said)
			}
		}
	}
	taken("gone@dead.test", "a@dead.test", "b@dead.test", "Gone@Dead.test")
	full("2")

	s.relay.signal(syscall.SIGTERM)
	if code := s.relay.awaitExit(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	s.relay.start()
	s.relay.awaitReady()
	s.relay.audit()
	full("2")
	s.reload("configuration read again", func() { limits("3/day") })
	taken("c@dead.test", "gone@dead.test")
	full("3")
	s.reload("configuration not changed", func() { limits("many") })
	full("3")
	limits("3/day") // the command reads it too
	if a := s.relay.audit(); a.Accepted != 6 || a.Suppressed != 3 || a.Queued != 3 || a.Missing != 0 {
		t.Errorf("%+v", a)
	}
}
