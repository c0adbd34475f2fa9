package relay

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/policy"
	ours "github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/smtp"
)

// signingKey makes an Ed25519 key and publishes it.
func signingKey(t *testing.T, dns map[string]string, domain string, state ours.State) *ours.Key {
	t.Helper()
	private, err := ours.GenerateEd25519()
	if err != nil {
		t.Fatal(err)
	}
	k := &ours.Key{Domain: domain, Selector: "s", State: state, Private: private}
	if state == ours.Retiring {
		k.Until = time.Now().Add(time.Hour)
	}
	dns[k.String()] = private.RecordText()
	return k
}

func signingWith(t *testing.T, provider string, keys ...*ours.Key) *Signing {
	t.Helper()
	ring, err := ours.NewKeyring(keys, provider)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ours.NewSigner(ring, ours.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Signing{Signer: signer}
}

// verified returns the domains whose signatures on a content hold.
func verified(t *testing.T, dns map[string]string, content []byte) string {
	t.Helper()
	results, err := dkim.VerifyWithOptions(bytes.NewReader(content), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if text, ok := dns[name]; ok {
			return []string{text}, nil
		}
		return nil, &net.DNSError{Name: name, IsNotFound: true}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var domains []string
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("the signature of %s: %v", r.Domain, r.Err)
		}
		domains = append(domains, r.Domain)
	}
	return strings.Join(domains, " ")
}

// bring plays a client at an address that brings a message, and returns the reply.
func (s *story) bring(intake *Intake, client, rcpt, content string) *gosmtp.SMTPError {
	s.t.Helper()
	intake.Relay = s.relay
	session, err := intake.NewSession(&smtp.ConnInfo{HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort(client + ":1234")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Logout()
	if err := errors.Join(session.Mail("ann@a.test", &gosmtp.MailOptions{}), session.Rcpt(rcpt, &gosmtp.RcptOptions{})); err != nil {
		s.t.Fatal(err)
	}
	var reply *gosmtp.SMTPError
	if err = session.Data(strings.NewReader(strings.ReplaceAll(content, "\n", "\r\n"))); !errors.As(err, &reply) {
		s.t.Fatal(err)
	}
	return reply
}

// What is signed, by whom, and what becomes of what cannot be.
func TestSigning(t *testing.T) {
	const friend, stranger = "127.0.0.1", "192.0.2.9"
	const letter = "From: Ann <ann@a.test>\nTo: bob@x.test\nDate: Sat, 1 Aug 2026 12:00:00 +0000\nSubject: x\n\nHello\n"
	two := strings.Replace(letter, "To:", "From: eve@b.test\nTo:", 1)
	for name, c := range map[string]struct {
		keys     []string // domains; "retiring." in front
		provider string
		require  string
		intake   Intake
		client   string
		content  string
		code     int
		signers  string
		told     string
	}{
		"own domain":                 {keys: []string{"a.test"}, client: friend, content: letter, code: 250, signers: "a.test", told: "d=a.test s=s a=ed25519-sha256"},
		"submission":                 {keys: []string{"a.test"}, intake: Intake{Submission: true}, client: friend, content: "Bcc: eve@c.test\n" + strings.Replace(letter, "Date", "X-Date", 1), code: 250, signers: "a.test", told: "d=a.test s=s a=ed25519-sha256"},
		"a stranger in our name":     {keys: []string{"a.test"}, client: stranger, content: letter, code: 250},
		"a stranger on submission":   {keys: []string{"a.test"}, intake: Intake{Submission: true}, client: stranger, content: letter, code: 250},
		"a stranger, required":       {keys: []string{"a.test"}, require: "a.test", client: stranger, content: letter, code: 250},
		"a listener that never does": {keys: []string{"a.test"}, require: "a.test", intake: Intake{Unsigned: true}, client: friend, content: letter, code: 250},
		"and the provider":           {keys: []string{"a.test", "p.test"}, provider: "p.test", client: friend, content: letter, code: 250, signers: "a.test p.test", told: "d=a.test s=s a=ed25519-sha256; d=p.test s=s a=ed25519-sha256"},
		"another domain":             {keys: []string{"b.test"}, require: "b.test", client: friend, content: letter, code: 250, told: "none: no key for a.test"},
		"no From":                    {keys: []string{"a.test"}, require: "a.test", client: friend, content: "Subject: x\n\nHello\n", code: 250, told: "none: no domain in the From field"},
		"no From, for the provider":  {keys: []string{"a.test"}, provider: "a.test", client: friend, content: "Subject: x\n\nHello\n", code: 250, told: "none: not exactly one From field"},
		"no header":                  {keys: []string{"a.test"}, client: friend, content: "Hello\n", code: 250, told: "none: no domain in the From field"},
		"two From":                   {keys: []string{"a.test"}, client: friend, content: two, code: 250, told: "none: not exactly one From field"},
		"two From, one is required":  {keys: []string{"a.test", "b.test"}, require: "b.test", client: friend, content: two, code: 550},
		"required":                   {keys: []string{"a.test"}, require: "a.test", client: friend, content: letter, code: 250, signers: "a.test", told: "d=a.test s=s a=ed25519-sha256"},
		"required without a key":     {keys: []string{"b.test"}, require: "a.test", client: friend, content: letter, code: 451},
		"the provider does not do":   {keys: []string{"p.test"}, provider: "p.test", require: "a.test", client: friend, content: letter, code: 451},
		"a parent's key does":        {keys: []string{"a.test"}, require: "news.a.test", client: friend, content: strings.Replace(letter, "@a.", "@news.a.", 1), code: 250, signers: "a.test", told: "d=a.test s=s a=ed25519-sha256"},
		"required, not yet active":   {keys: []string{"pending.a.test"}, require: "a.test", client: friend, content: letter, code: 451},
	} {
		t.Run(name, func(t *testing.T) {
			inStory(t, "", func(t *testing.T, s *story) {
				dns := map[string]string{}
				var keys []*ours.Key
				for _, domain := range c.keys {
					state := ours.Active
					if rest, pending := strings.CutPrefix(domain, "pending."); pending {
						domain, state = rest, ours.Pending
					}
					keys = append(keys, signingKey(t, dns, domain, state))
				}
				s.policy.Access.RelayDomains = policy.NewDomainSet("x.test")
				s.policy.DKIM = signingWith(t, c.provider, keys...)
				if c.require != "" {
					s.policy.DKIM.Require = policy.NewDomainSet(c.require)
				}
				s.relay.SetPolicy(s.shaped())
				reply := s.bring(&c.intake, c.client, "bob@x.test", c.content)
				if reply.Code != c.code {
					t.Errorf("reply %v, want %d", reply, c.code)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				got := s.remotes["mx.x.test"].Messages()
				if reply.Code != 250 {
					if len(got) > 0 {
						t.Error("refused and delivered")
					}
					return
				}
				if len(got) != 1 {
					t.Fatalf("%d messages came", len(got))
				}
				if signers := verified(t, dns, got[0].Content); signers != c.signers {
					t.Errorf("signed by %q, want %q\n%s", signers, c.signers, got[0].Content)
				}
				for _, e := range s.sub.drain() {
					if e.Type == EventAccepted && (e.DKIM != c.told || e.Size != int64(len(got[0].Content))) {
						t.Errorf("told %q (%d bytes), want %q (%d)", e.DKIM, e.Size, c.told, len(got[0].Content))
					}
				}
			})
		})
	}
}

// Our own reports are signed where their From domain has a key.
func TestReportIsSigned(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		dns := map[string]string{}
		s.policy.DKIM = signingWith(t, "", signingKey(t, dns, "relay.test", ours.Active))
		s.relay.SetPolicy(s.shaped())
		s.step("zone", []string{"a.test MX 10 mx.a.test", "mx.a.test A 192.0.2.2"})
		s.step("remote mx.a.test", []string{""})
		s.step("remote mx.x.test", []string{"RCPT -> 550 5.1.1 nobody"})
		s.bring(&Intake{}, "127.0.0.1", "bob@x.test", "From: ann@a.test\n\nHello\n")
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.remotes["mx.a.test"].Messages()
		if len(got) != 1 || verified(t, dns, got[0].Content) != "relay.test" {
			t.Errorf("%d reports came: %+v", len(got), got)
		}
		for _, e := range s.sub.drain() {
			if e.Type == EventReport && e.DKIM != "d=relay.test s=s a=ed25519-sha256" {
				t.Errorf("told %q of a report", e.DKIM)
			}
		}
		body, told := s.relay.signReport(&s.policy, []byte("From: MAILER-DAEMON@relay.test\r\nSubject: x\r\n\r\nx\r\n"), time.Now())
		if signers := verified(t, dns, body); signers != "relay.test" || told != "d=relay.test s=s a=ed25519-sha256" {
			t.Errorf("signed by %q, told %q", signers, told)
		}
		plain := []byte("no header\r\n")
		if body, told := s.relay.signReport(&s.policy, plain, time.Now()); !bytes.Equal(body, plain) || told != "none: no domain in the From field" {
			t.Errorf("%q, told %q", body, told)
		}
	})
}
