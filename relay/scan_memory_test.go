package relay

import (
	"net/netip"
	"strings"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/smtp"
)

// The copies that filters want are in the memory for messages: while there is no more of it, the client comes again.
func TestCopiesForFiltersAreCounted(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.filter("adds", []string{"add X-Seen: yes"})
		memory := smtp.NewBudget(100 << 10)
		letter := "Subject: x\r\n\r\n" + strings.Repeat("0123456789\r\n", 2000)
		send := func() string {
			made, err := (&Intake{Relay: s.relay, Memory: memory}).NewSession(&smtp.ConnInfo{
				HELO: "client.test", ESMTP: true, Listener: "mx", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1234"),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer made.Logout()
			s.check(made.Mail("ann@a.test", &gosmtp.MailOptions{}))
			s.check(made.Rcpt("bob@x.test", &gosmtp.RcptOptions{}))
			return said(made.Data(strings.NewReader(letter)))
		}
		if got := send(); !strings.HasPrefix(got, "250 2.0.0 ") {
			t.Errorf("with room: %s", got)
		}
		if !memory.Reserve(60<<10) || memory.Reserve(60<<10) {
			t.Error("the budget does not count")
		}
		if got := send(); got != "452 4.3.1 Out of memory for messages, try again later" {
			t.Errorf("without: %s", got)
		}
		memory.Release(60 << 10)
		if got := send(); !strings.HasPrefix(got, "250 2.0.0 ") || memory.Used() != 0 {
			t.Errorf("with room again: %s; %d bytes are left", got, memory.Used())
		}
	})
}
