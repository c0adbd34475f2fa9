package relay

import (
	"errors"
	"net/netip"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp"
)

// named plays a client at an address that names one recipient, and returns the code of the refusal, 250 if there is none,
// and what the recipient has become.
func (s *story) named(client, to string) (code int, address string) {
	intake := &Intake{Relay: s.relay}
	info := &smtp.ConnInfo{HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort(client + ":1234")}
	made, err := intake.NewSession(info)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := made.Mail("ann@a.test", &gosmtp.MailOptions{}); err != nil {
		s.t.Fatal(err)
	}
	var refused *gosmtp.SMTPError
	if err := made.Rcpt(to, &gosmtp.RcptOptions{}); errors.As(err, &refused) {
		return refused.Code, ""
	}
	return 250, made.(*session).recipients[0].Address
}

// Mail for postmaster is taken from everyone, once it is known who that is (RFC 5321 4.5.1), and opens no way for
// other mail.
func TestPostmaster(t *testing.T) {
	const friend, stranger = "127.0.0.1", "192.0.2.9"
	inStory(t, "", func(t *testing.T, s *story) {
		ours := "postmaster@" + s.relay.cfg.Hostname
		for _, c := range []struct {
			ops, client, to string
			code            int
			address         string
		}{
			{"", friend, "Postmaster", 250, ours},
			{"", stranger, "postmaster", 550, ""},
			{"ops@x.test", friend, "postmaster", 250, "ops@x.test"},
			{"ops@x.test", stranger, "POSTMASTER", 250, "ops@x.test"},
			{"ops@x.test", stranger, ours, 250, "ops@x.test"},
			{"ops@x.test", stranger, "postmaster@x.test", 550, ""},
			{"ops@x.test", stranger, "ops@x.test", 550, ""},
			{"ops@x.test", stranger, "postmaster@x.test@" + s.relay.cfg.Hostname, 553, ""},
			{"ops@x.test", stranger, "ann%x.test@" + s.relay.cfg.Hostname, 550, ""},
			{"ops@x.test", friend, "postmaster@x.test", 250, "postmaster@x.test"},
		} {
			s.policy.Postmaster = c.ops
			s.relay.SetPolicy(s.shaped())
			if code, address := s.named(c.client, c.to); code != c.code || address != c.address {
				t.Errorf("postmaster %q: %s names %s: %d %q, want %d %q", c.ops, c.client, c.to, code, address, c.code, c.address)
			}
		}
	})
}

// Whoever is named twice gets the message once, unless something else was asked for the second time.
func TestDistinct(t *testing.T) {
	rcpt := func(address string, notify message.Notify) message.Recipient {
		return message.Recipient{Address: address, Domain: message.DomainOf(address), Notify: notify}
	}
	got := distinct([]message.Recipient{
		rcpt("bob@x.test", 0), rcpt("bob@X.test", 0), rcpt("Bob@x.test", 0), rcpt("ann@x.test", 0),
		rcpt("bob@x.test", message.NotifyNever), rcpt("bob@x.test", 0), rcpt("bob@y.test", 0), rcpt(`"a@b"@x.test`, 0),
	})
	want := []string{"bob@x.test", "Bob@x.test", "ann@x.test", "bob@x.test", "bob@y.test", `"a@b"@x.test`}
	if len(got) != len(want) {
		t.Fatalf("%d kept of %v", len(got), got)
	}
	for i := range want {
		if got[i].Address != want[i] {
			t.Errorf("%d: %s, want %s", i, got[i].Address, want[i])
		}
	}
}
