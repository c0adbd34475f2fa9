package relay

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/smtp"
)

// limited puts limits in force for the length of a test.
func (s *story) limited(rules ...limit.Rule) *limit.Limiter {
	s.t.Helper()
	l, err := limit.New(context.Background(), limit.Options{Rules: rules})
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Limits = l
	s.relay.SetPolicy(s.shaped())
	return l
}

// client begins a session from an address; a nil one was refused with the reply.
func (s *story) client(addr string) (*session, string) {
	s.t.Helper()
	intake := &Intake{Relay: s.relay, Tenant: "acme"}
	made, err := intake.NewSession(&smtp.ConnInfo{
		Listener: "mx", SessionID: "s1", HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort(addr + ":1234"),
	})
	if err != nil {
		return nil, err.Error()
	}
	return made.(*session), ""
}

// said returns an error as a client reads it.
func said(err error) string {
	var e *gosmtp.SMTPError
	if errors.As(err, &e) {
		return message.Status{Code: e.Code, Enhanced: message.EnhancedCode(e.EnhancedCode), Text: e.Message}.String()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Limits are asked at the connection, at MAIL and for each recipient; the refusal is told to the client and the event
// log. A recipient that is refused uses up nothing, and quotas count mail that was taken alone.
func TestSessionLimits(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		l := s.limited(
			limit.Rule{Subject: limit.Client, Unit: limit.Connections, Kind: limit.Concurrent, Amount: 1},
			limit.Rule{Subject: limit.Sender, Unit: limit.Messages, Amount: 2, Period: time.Hour},
			limit.Rule{Subject: limit.Domain, Unit: limit.Recipients, Kind: limit.Quota, Amount: 2},
			limit.Rule{Subject: limit.Tenant, Unit: limit.Recipients, Kind: limit.Quota, Amount: 3},
		)
		defer l.Close()
		c, _ := s.client("127.0.0.1")
		_, refused := s.client("127.0.0.1")
		expect(t, refused, "SMTP error 421: limit of 1 connection at once for client 127.0.0.1 reached; try again when one has ended")
		other, _ := s.client("127.0.0.2")
		defer other.Logout()
		mail := func() string { return said(c.Mail("Ann@a.test", &gosmtp.MailOptions{})) }
		rcpt := func(to string) string { return said(c.Rcpt(to, &gosmtp.RcptOptions{})) }

		expect(t, mail(), "")
		expect(t, rcpt("bob@x.test"), "")
		expect(t, rcpt("joe@X.test"), "")
		full := rcpt("eve@x.test")
		if !strings.HasPrefix(full, "452 4.3.1 limit of 2 recipients in one day for recipient domain x.test reached; try again in ") {
			t.Error(full)
		}
		expect(t, rcpt("eve@y.test"), "") // the third of the tenant's: the refused one used up nothing
		c.Reset()                         // and what comes to nothing is given back
		expect(t, mail(), "")
		for _, to := range []string{"bob@x.test", "joe@x.test", "eve@y.test"} {
			expect(t, rcpt(to), "")
		}
		expect(t, said(c.Data(smtp.NewBody([]byte("Subject: x\r\n\r\nhello\r\n"))))[:10], "250 2.0.0 ")
		c.Reset()
		expect(t, mail(), "450 4.7.1 limit of 2 messages an hour for sender ann@a.test reached; try again in 30 minutes")
		c.Logout()
		again, refused := s.client("127.0.0.1")
		expect(t, refused, "")
		expect(t, said(again.Mail("joe@a.test", &gosmtp.MailOptions{})), "")
		if full := said(again.Rcpt("bob@y.test", &gosmtp.RcptOptions{})); !strings.Contains(full, "tenant acme") {
			t.Errorf("after three recipients were taken: %q", full)
		}
		again.Logout()
		if seen := s.seen(); strings.Count(seen, "rejected") != 4 || !strings.Contains(seen, "for sender ann@a.test reached") {
			t.Error(seen)
		}
	})
}

// A network that is not counted has no limits as a client, but those of its tenant.
func TestUncountedClients(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		l := s.limited(
			limit.Rule{Subject: limit.Client, Unit: limit.Messages, Amount: 1, Period: time.Hour},
			limit.Rule{Subject: limit.Tenant, Unit: limit.Messages, Amount: 3, Period: time.Hour},
		)
		defer l.Close()
		s.policy.Uncounted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		s.relay.SetPolicy(s.shaped())
		c, _ := s.client("::ffff:127.0.0.1"[len("::ffff:"):])
		defer c.Logout()
		for i, want := range []string{"", "", "", "450 4.7.1 limit of 3 messages an hour for tenant acme reached; try again in 20 minutes"} {
			if got := said(c.Mail("ann@a.test", &gosmtp.MailOptions{})); got != want {
				t.Errorf("message %d: %q", i, got)
			}
		}
	})
}

// A credential's limits are the engine's rules, per day a quota.
func TestLimitsOfACredential(t *testing.T) {
	rules := limitsOfCredential(&auth.Limits{Messages: auth.Rates{PerSecond: 1, PerDay: 3}, Recipients: auth.Rates{PerHour: 2}, Connections: 4})
	var told []string
	for _, r := range rules {
		told = append(told, r.String()+" "+r.Kind.String())
	}
	expect(t, strings.Join(told, ", "), "1 message a second rate, 3 messages in one day quota, 2 recipients an hour rate, 4 connections at once concurrent")
	s := &session{}
	if s.ownLimits(&auth.Credential{Limits: auth.Limits{MessageBytes: 5}}) != nil {
		t.Error("limits where there are none")
	}
	c := &auth.Credential{Limits: auth.Limits{Connections: 1}}
	if own := s.ownLimits(c); own == nil || s.ownLimits(c) != own {
		t.Error("not made once")
	}
}

// The limits of a login hold with those for all logins, are counted over its sessions, and change at once.
func TestLimitsOfALogin(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		l := s.limited(
			limit.Rule{Subject: limit.Credential, Unit: limit.Messages, Kind: limit.Quota, Amount: 1},
			limit.Rule{Subject: limit.Credential, Unit: limit.Recipients, Amount: 2, Period: time.Hour},
			limit.Rule{Subject: limit.Tenant, Unit: limit.Connections, Kind: limit.Concurrent, Amount: 3},
		)
		defer l.Close()
		shop := auth.Credential{Name: "shop", Tenant: "acme", Senders: []string{"*"}, Limits: auth.Limits{Messages: auth.Rates{PerDay: 2}, Connections: 2}}
		book := s.logins(shop)
		logIn := func() (*session, string) {
			made, err := (&Intake{Relay: s.relay, Auth: AuthRequired}).NewSession(&smtp.ConnInfo{
				HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort("192.0.2.9:1234"),
			})
			if err != nil {
				t.Fatal(err)
			}
			x, err := made.(gosmtp.AuthSession).Auth(auth.Plain)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = x.Next([]byte("\x00shop\x00" + secret))
			return made.(authSession).session, said(err)
		}
		first, refused := logIn()
		expect(t, refused, "")
		second, refused := logIn()
		expect(t, refused, "")
		third, refused := logIn()
		expect(t, refused, "421 4.7.0 limit of 2 connections at once for credential shop reached; try again when one has ended")
		third.Logout()

		for _, c := range []*session{first, second} {
			expect(t, said(c.Mail("ann@a.test", &gosmtp.MailOptions{})), "")
			expect(t, said(c.Rcpt("bob@x.test", &gosmtp.RcptOptions{})), "")
		}
		expect(t, said(second.Rcpt("eve@x.test", &gosmtp.RcptOptions{})), "450 4.7.1 limit of 2 recipients an hour for credential shop reached; try again in 30 minutes")
		for _, c := range []*session{first, second} {
			expect(t, said(c.Data(smtp.NewBody([]byte("From: ann@a.test\r\n\r\nhello\r\n"))))[:10], "250 2.0.0 ")
			c.Reset()
		}
		if full := said(first.Mail("ann@a.test", &gosmtp.MailOptions{})); !strings.HasPrefix(full, "452 4.3.1 limit of 2 messages in one day for credential shop reached") {
			t.Error(full)
		}
		shop.Limits.Messages.PerDay = 3
		s.setLogins(book, shop)
		expect(t, said(first.Mail("ann@a.test", &gosmtp.MailOptions{})), "")
		first.Logout()
		if third, refused = logIn(); refused != "" {
			t.Errorf("after one has ended: %s", refused)
		}
		third.Logout()
		second.Logout()
	})
}

// Who asks for addresses that do not exist waits for the answer, ever longer, and must go at last; then may not come
// back for a while. Others notice nothing.
func TestTarpit(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		known, err := policy.ParseRecipients(strings.NewReader("bob@x.test\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.policy.Access.RelayDomains, s.policy.Access.Recipients = policy.NewDomainSet("x.test"), known
		if s.policy.Harvest, err = limit.NewHarvest(limit.HarvestOptions{Free: 2, Refuse: 5}); err != nil {
			t.Fatal(err)
		}
		s.relay.SetPolicy(s.shaped())
		c, _ := s.client("192.0.2.9")
		_ = c.Mail("ann@a.test", &gosmtp.MailOptions{})
		for i, want := range []string{"0s 550", "0s 550", "1s 550", "2s 550", "0s 421"} {
			began := time.Now()
			answer := said(c.Rcpt("guess@x.test", &gosmtp.RcptOptions{}))
			if got := time.Since(began).String() + " " + answer[:3]; got != want {
				t.Errorf("guess %d: %s (%s), want %s", i+1, got, answer, want)
			}
		}
		c.Logout()
		_, refused := s.client("192.0.2.9")
		expect(t, refused, "SMTP error 421: too many unknown recipients; try again later")
		if c, _ = s.client("192.0.2.10"); c == nil {
			t.Fatal("another client is refused")
		}
		_ = c.Mail("ann@a.test", &gosmtp.MailOptions{})
		expect(t, said(c.Rcpt("bob@x.test", &gosmtp.RcptOptions{})), "")
		c.Logout()
		time.Sleep(time.Hour)
		if c, refused = s.client("192.0.2.9"); c == nil {
			t.Fatal(refused)
		}
		for range 3 { // the end of the session ends the wait
			go func() { time.Sleep(100 * time.Millisecond); c.end() }()
			_ = c.Rcpt("guess@x.test", &gosmtp.RcptOptions{})
		}
		expect(t, said(c.Rcpt("guess@x.test", &gosmtp.RcptOptions{})), "421 4.3.2 Shutting down, try again later")
		c.Logout()
	})
}
