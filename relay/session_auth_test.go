package relay

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/smtp"
)

const secret = "correct horse battery"

// logins lets these log in with secret.
func (s *story) logins(list ...auth.Credential) *auth.Book {
	book, err := auth.OpenBook(context.Background(), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.setLogins(book, list...)
	s.policy.Auth = auth.New(book, auth.NewGuard(auth.GuardOptions{}), nil)
	s.relay.SetPolicy(s.shaped())
	return book
}

func (s *story) setLogins(book *auth.Book, list ...auth.Credential) {
	var all []auth.ReadOnly
	for _, c := range list {
		all = append(all, auth.ReadOnly{Credential: c, Secret: secret})
	}
	if err := book.SetReadOnly(context.Background(), all); err != nil {
		s.t.Fatal(err)
	}
}

func plain(name, secret string) string {
	return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00"+secret)) + "\r\n"
}

// code is that of a refusal; 250 if there is none.
func code(err error) int {
	var refused *gosmtp.SMTPError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return 250
}

// Who gets in where: by address, by login, and by the domain that the mail is for.
func TestWhoMustLogIn(t *testing.T) {
	const friend, stranger, known = "127.0.0.1", "192.0.2.9", "login"
	inStory(t, "", func(t *testing.T, s *story) {
		s.policy.Access.RelayDomains = policy.NewDomainSet("here.test")
		s.logins(auth.Credential{Name: "shop", Senders: []string{"a.test"}})
		for _, c := range []struct {
			mode          AuthMode
			client        string
			mail          int
			far, here, pc int // RCPT of x.test, of here.test, and of victim%x.test@here.test
		}{
			{AuthOff, friend, 250, 250, 250, 250},
			{AuthOff, stranger, 250, 550, 250, 550},
			{AuthOptional, friend, 250, 250, 250, 250},
			{AuthOptional, stranger, 250, 550, 250, 550},
			{AuthOptional, known, 250, 250, 250, 250},
			{AuthStrangers, friend, 250, 250, 250, 250},
			{AuthStrangers, stranger, 530, 550, 250, 550},
			{AuthStrangers, known, 250, 250, 250, 250},
			{AuthRequired, friend, 530, 250, 250, 250},
			{AuthRequired, stranger, 530, 550, 250, 550},
			{AuthRequired, known, 250, 250, 250, 250},
		} {
			addr := c.client
			if addr == known {
				addr = stranger
			}
			made, err := (&Intake{Relay: s.relay, Auth: c.mode}).NewSession(&smtp.ConnInfo{
				HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort(addr + ":1234"),
			})
			if err != nil {
				t.Fatal(err)
			}
			offers, ok := made.(gosmtp.AuthSession)
			if ok != (c.mode != AuthOff) {
				t.Errorf("mode %d: AUTH is offered: %v", c.mode, ok)
			}
			if c.client == known {
				x, err := offers.Auth(auth.Plain)
				if err != nil {
					t.Fatal(err)
				}
				if _, done, err := x.Next([]byte("\x00shop\x00" + secret)); !done || err != nil {
					t.Fatal(done, err)
				}
			}
			got := []int{code(made.Mail("ann@a.test", &gosmtp.MailOptions{}))}
			for _, to := range []string{"bob@x.test", "bob@here.test", "victim%x.test@here.test"} {
				got = append(got, code(made.Rcpt(to, &gosmtp.RcptOptions{})))
			}
			for i, want := range []int{c.mail, c.far, c.here, c.pc} {
				if got[i] != want {
					t.Errorf("mode %d, %s: %v, want %v", c.mode, c.client, got, []int{c.mail, c.far, c.here, c.pc})
					break
				}
			}
			_ = made.Logout()
		}
	})
}

// A login sends as whom it may, by the envelope and by the field that people see; its tenant and class go with it.
func TestWhatALoginMaySend(t *testing.T) {
	inStory(t, "EHLO -> 250 PIPELINING", func(t *testing.T, s *story) {
		s.logins(auth.Credential{
			Name: "shop", Tenant: "acme", Class: message.ClassBulk, Senders: []string{"a.test", "ann@b.test"},
			Limits: auth.Limits{MessageBytes: 200},
		}, auth.Credential{Name: "any", Senders: []string{"*"}}, auth.Credential{Name: "off", Senders: []string{"*"}, Disabled: true})
		intake := &Intake{Relay: s.relay, Auth: AuthRequired, Tenant: "house", Class: message.ClassTransactional}
		const ok = "RCPT TO:<bob@x.test>\r\n"
		message := func(from string) string { return "DATA\r\n" + from + "Subject: x\r\n\r\nhello\r\n.\r\n" }
		s.onTheWireAt(intake, func(c *wireClient) {
			c.say("MAIL FROM:<ann@a.test>\r\n", "530")
			c.say(plain("shop", "wrong secret here"), "535")
			c.say(plain("off", secret), "535")
			c.say(plain("nobody", secret), "535")
			c.say(plain("shop", secret), "235")
			c.say(plain("shop", secret), "503")
			c.say("MAIL FROM:<ann@c.test>\r\n", "553")
			c.say("MAIL FROM:<bob@b.test>\r\n", "553")
			c.say("MAIL FROM:<ann@a.test> SIZE=201\r\n", "552")
			for from, want := range map[string]string{
				"From: ann@a.test\r\n":                      "354 250",
				"From: =?utf-8?q?=40?= <ann@b.test>\r\n":    "354 250",
				"From: ann@a.test, boss@c.test\r\n":         "354 553",
				"From: ann@a.test\r\nFROM: boss@c.test\r\n": "354 553",
				"From: boss@c.test <ann@a.test>\r\n":        "354 553",
				"":                                          "354 553",
				"From: ann@a.test\r\nX: " + strings.Repeat("x", 200) + "\r\n": "354 552",
			} {
				c.say("MAIL FROM:<ann@A.test>\r\n"+ok+message(from), "250 250 "+want)
				c.say("RSET\r\n", "250")
			}
			c.say("MAIL FROM:<>\r\n"+ok+message("From: ann@a.test\r\n"), "250 250 354 250")
			c.say("QUIT\r\n", "221")
		})
		seen := s.seen()
		if n := strings.Count(seen, "delivered"); n != 3 || strings.Contains(seen, secret) || strings.Contains(seen, "nobody") {
			t.Errorf("%d delivered:\n%s", n, seen)
		}
		s.onTheWireAt(intake, func(c *wireClient) {
			c.say(plain("any", secret), "235")
			c.say("MAIL FROM:<x@anywhere.test>\r\n"+ok+message("From: not an address\r\n"), "250 250 354 250")
		})
		s.seen()
		for i, m := range s.remotes["mx.x.test"].Messages() {
			if !strings.Contains(string(m.Content), "with ESMTPA") {
				t.Errorf("message %d: no word of the login in its trace field:\n%s", i, m.Content)
			}
		}
	})
}

// The kill switch works in open sessions, and at the last moment too.
func TestKillSwitch(t *testing.T) {
	shop := auth.Credential{Name: "shop", Senders: []string{"*"}}
	off := shop
	off.Disabled = true
	const mail, rcpt = "MAIL FROM:<ann@a.test>\r\n", "RCPT TO:<bob@x.test>\r\n"
	for at, steps := range map[string][2][2]string{
		"MAIL": {{"NOOP\r\n", "250"}, {mail, "421"}},
		"RCPT": {{mail, "250"}, {rcpt, "421"}},
		"DATA": {{mail + rcpt + "DATA\r\nFrom: a@a.test\r\n\r\n", "250 250 354"}, {".\r\n", "421"}},
	} {
		inStory(t, "", func(t *testing.T, s *story) {
			book := s.logins(shop)
			s.onTheWireAt(&Intake{Relay: s.relay, Auth: AuthRequired}, func(c *wireClient) {
				c.say(plain("shop", secret), "235")
				c.say(steps[0][0], steps[0][1])
				s.setLogins(book, off)
				c.say(steps[1][0], steps[1][1])
				if _, err := c.replies.ReadByte(); err == nil {
					t.Errorf("at %s: the session goes on", at)
				}
			})
			if seen := s.seen(); strings.Contains(seen, "accepted") {
				t.Errorf("at %s: %s", at, seen)
			}
		})
	}
}

// What a capturing login sends ends here: no name is looked up, no host is met, no report is written.
func TestCapture(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		staging := auth.Credential{Name: "staging", Senders: []string{"*"}, Capture: true}
		book := s.logins(staging)
		said := func() string {
			s.onTheWireAt(&Intake{Relay: s.relay, Auth: AuthRequired}, func(c *wireClient) {
				c.say(plain("staging", secret), "235")
				c.say("MAIL FROM:<ann@a.test>\r\nRCPT TO:<bob@x.test> NOTIFY=SUCCESS\r\nRCPT TO:<carol@nowhere.test>\r\n", "250 250 250")
				c.say("DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n", "354 250")
			})
			time.Sleep(time.Second)
			return s.seen()
		}
		if seen := said(); strings.Count(seen, "captured") != 2 || strings.Contains(seen, "report") {
			t.Errorf("%s", seen)
		}
		audit, err := s.relay.Audit(t.Context())
		if err != nil || audit.Ended[message.Captured] != 2 || audit.Unaccounted() != 0 || audit.Queued != 0 {
			t.Errorf("%+v, %v", audit, err)
		}

		// What was taken under capture is captured, whatever is switched and restarted before it is looked at.
		s.relay.stopLeasing()
		if seen := said(); strings.Contains(seen, "captured") {
			t.Errorf("%s", seen)
		}
		staging.Capture = false
		s.setLogins(book, staging)
		s.stop()
		s.start()
		time.Sleep(time.Second)
		if seen := s.seen(); strings.Count(seen, "captured") != 2 {
			t.Errorf("after a restart: %s", seen)
		}
	})
}

// Of a domain that we only pass mail on for, unknown recipients are refused at once, whoever asks.
func TestUnknownRecipients(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		known, err := policy.ParseRecipients(strings.NewReader("ann@here.test\n@all.test\n"))
		if err != nil {
			t.Fatal(err)
		}
		s.policy.Access.RelayDomains = policy.NewDomainSet("here.test", "all.test")
		s.policy.Access.Recipients = known
		s.relay.SetPolicy(s.shaped())
		for to, want := range map[string][2]int{ // from a friend and a stranger
			"ann@here.test": {250, 250}, "Ann+x@HERE.test": {250, 250}, "x@all.test": {250, 250}, "postmaster@here.test": {250, 250},
			"bob@here.test": {550, 550}, "bob@x.test": {250, 550}, "ann%x.test@here.test": {550, 550},
		} {
			friend, _ := s.named("127.0.0.1", to)
			stranger, _ := s.named("192.0.2.9", to)
			if friend != want[0] || stranger != want[1] {
				t.Errorf("%s: %d and %d, want %v", to, friend, stranger, want)
			}
		}
	})
}
