package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// inLocalStory runs test in a story where here.test is local, with ann and bob.
func inLocalStory(t *testing.T, test func(t *testing.T, s *story)) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t)
		s.start()
		s.step("zone", []string{"x.test MX 10 mx.x.test", "mx.x.test A 192.0.2.1"})
		s.step("remote mx.x.test", nil)
		s.local([]string{
			"domain here.test", "domain bücher.test", "account ann@here.test", "account bob@here.test", "account full@here.test 10",
			"account jörg@here.test", "account ann@xn--bcher-kva.test", "postmaster ann@here.test",
			"alias all@here.test -> ann@here.test,bob@here.test,eve@x.test", "alias out@here.test -> eve@x.test",
			"alias lost@here.test -> nobody@here.test", "alias packed@here.test -> full@here.test",
			"alias some@here.test -> full@here.test,ann@here.test", "alias @xn--bcher-kva.test -> ann@here.test",
		})
		test(t, s)
		s.stop()
	})
}

// TestLocalRecipients: what a stranger hears at RCPT, and who gets the mail in the end.
func TestLocalRecipients(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		for _, c := range []struct {
			to, heard string
			wide      bool
			size      int64
		}{
			{to: "ann@here.test", heard: "ann@here.test"},
			{to: "ANN@HERE.TEST", heard: "ANN@HERE.TEST"},
			{to: `"ann"@here.test`, heard: `"ann"@here.test`},
			{to: "ann+news@here.test", heard: "ann+news@here.test"},
			{to: "ann+@here.test", heard: "ann+@here.test"},
			{to: "nobody@here.test", heard: "550 5.1.1"},
			{to: "nobody+ann@here.test", heard: "550 5.1.1"},
			{to: "+ann@here.test", heard: "550 5.1.1"},
			{to: "all@here.test", heard: "ann@here.test bob@here.test eve@x.test"},
			{to: "All+tag@Here.test", heard: "ann@here.test bob@here.test eve@x.test"},
			{to: "out@here.test", heard: "eve@x.test"},
			{to: "lost@here.test", heard: "550 5.1.1"},
			{to: "postmaster@here.test", heard: "ann@here.test"},
			{to: "postmaster@xn--bcher-kva.test", heard: "ann@here.test"},
			{to: "whoever@bücher.test", wide: true, heard: "ann@here.test"},
			{to: "ann@bücher.test", wide: true, heard: "ann@bücher.test"},
			{to: "jörg@here.test", wide: true, heard: "jörg@here.test"},
			{to: "full@here.test", size: 11, heard: "452 4.2.2"},
			{to: "full@here.test", heard: "full@here.test"},
			{to: "packed@here.test", size: 11, heard: "452 4.2.2"},
			{to: "some@here.test", size: 11, heard: "full@here.test ann@here.test"},
			{to: "eve@x.test", heard: "550 5.7.1"},
			{to: "eve%x.test@here.test", heard: "550 5.1.1"},
			{to: "ann@sub.here.test", heard: "550 5.7.1"},
		} {
			if got := heardBy(t, s, "192.0.2.99", c.size, c.wide, c.to); got != c.heard {
				t.Errorf("%s (%d bytes): %s, want %s", c.to, c.size, got, c.heard)
			}
		}
	})
}

// TestLocalNamedTwice: whoever is named and behind aliases too gets a message once.
func TestLocalNamedTwice(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		for named, want := range map[string]string{
			"all@here.test ann@here.test":                 "ann@here.test bob@here.test eve@x.test",
			"Ann@here.test all@here.test eve@x.test":      "Ann@here.test eve@x.test bob@here.test",
			"all@here.test ALL@here.test some@here.test":  "ann@here.test bob@here.test eve@x.test full@here.test",
			"all@here.test ann+x@here.test":               "ann+x@here.test bob@here.test eve@x.test",
			"ann@here.test ann+x@here.test":               "ann@here.test ann+x@here.test",
			"whoever@bücher.test postmaster@here.test":    "ann@here.test",
			"out@here.test Eve@x.test":                    "Eve@x.test eve@x.test",
			"bob@here.test eve@x.test some+tag@here.test": "bob@here.test eve@x.test full@here.test ann@here.test",
		} {
			if got := heardBy(t, s, "127.0.0.1", 0, true, strings.Fields(named)...); got != want {
				t.Errorf("%s: %s, want %s", named, got, want)
			}
		}
	})
}

// heardBy tells who would get a message, or how the first recipient is refused.
func heardBy(t *testing.T, s *story, client string, size int64, wide bool, to ...string) string {
	made, err := (&Intake{Relay: s.relay, Strangers: true}).NewSession(&smtp.ConnInfo{
		ESMTP: true, HELO: "client", RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(client), 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Logout()
	if err := made.Mail("eve@x.test", &gosmtp.MailOptions{Size: size, UTF8: wide}); err != nil {
		t.Fatal(err)
	}
	for _, one := range to {
		var refused *gosmtp.SMTPError
		if err := made.Rcpt(one, &gosmtp.RcptOptions{}); errors.As(err, &refused) {
			return fmt.Sprintf("%d %d.%d.%d", refused.Code, refused.EnhancedCode[0], refused.EnhancedCode[1], refused.EnhancedCode[2])
		}
	}
	m := &incoming{session: made.(*session)}
	m.prepare()
	if err := m.expand(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range m.recipients {
		names = append(names, r.Address)
	}
	return strings.Join(names, " ")
}

// TestLocalExpansionIsBounded: what is behind the recipients of one message is no more than a bound, whatever they are.
func TestLocalExpansionIsBounded(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		var lines []string
		for i := range 12 {
			var to []string
			for k := range address.MaxTargets {
				to = append(to, fmt.Sprintf("u%d@d%d.test", k, i))
			}
			lines = append(lines, fmt.Sprintf("alias list%d@here.test -> %s", i, strings.Join(to, ",")))
		}
		s.local(lines)
		made, err := (&Intake{Relay: s.relay}).NewSession(&smtp.ConnInfo{RemoteAddr: netip.MustParseAddrPort("192.0.2.99:1")})
		if err != nil {
			t.Fatal(err)
		}
		defer made.Logout()
		if err := made.Mail("", &gosmtp.MailOptions{}); err != nil {
			t.Fatal(err)
		}
		taken := 0
		for i := range 12 {
			if made.Rcpt(fmt.Sprintf("list%d@here.test", i), &gosmtp.RcptOptions{}) == nil {
				taken++
			}
		}
		if want := maxReached / address.MaxTargets; taken != want {
			t.Errorf("%d lists of %d were taken, want %d", taken, address.MaxTargets, want)
		}
	})
}

// TestLocalDeliveriesAreParallel: a store that takes a second for each delivery, in which it syncs, is asked for many at
// once.
func TestLocalDeliveriesAreParallel(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		s.store([]string{"takes", "1s"})
		for range 100 {
			s.submit([]string{"from=", "to=ann@here.test"}, nil)
		}
		time.Sleep(8 * time.Second)
		if n := len(s.mailboxes.has("ann@here.test")); n != 100 {
			t.Errorf("%d of 100 messages after 8 s", n)
		}
	})
}

// TestLocalRecipientsShareADelivery: one message for many is one delivery for each group of the queue.
func TestLocalRecipientsShareADelivery(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		var to, lines []string
		for i := range 100 {
			lines = append(lines, fmt.Sprintf("account u%d@here.test", i))
			to = append(to, fmt.Sprintf("u%d@here.test", i))
		}
		s.local(lines)
		s.submit([]string{"from=", "to=" + strings.Join(to, ",")}, nil)
		time.Sleep(time.Second)
		if n := s.mailboxes.deliveries(); n != 1 {
			t.Errorf("%d deliveries", n)
		}
		if seen := s.seen(); strings.Count(seen, "delivered") != 100 {
			t.Errorf("not all delivered:\n%s", seen)
		}
	})
}

// TestLocalStoreHangs: mail for others goes on while the mailboxes hang, though there is little memory and one
// connection in all; and the relay ends in its time.
func TestLocalStoreHangs(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		s.stop()
		s.memory, s.connections = 64<<10, 1
		s.start()
		s.store([]string{"hangs"})
		large := []string{"Subject: large", "", strings.Repeat("x", 6000)}
		for range 200 {
			s.submit([]string{"from=", "to=ann@here.test"}, large)
		}
		time.Sleep(time.Minute)
		s.seen()
		for range 50 {
			s.submit([]string{"from=", "to=eve@x.test"}, large)
			s.submit([]string{"from=", "to=eve@x.test"}, nil)
		}
		time.Sleep(time.Second)
		if seen := s.seen(); strings.Count(seen, "delivered") != 100 {
			t.Errorf("mail for others waits:\n%s", seen)
		}
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("ending took %v", took)
		}
		s.start()
		s.store([]string{"works"})
		time.Sleep(time.Minute)
		if n := len(s.mailboxes.has("ann@here.test")); n != 200 {
			t.Errorf("%d of 200 messages in the mailbox", n)
		}
	})
}

// TestLocalMovesWithThePolicy: a domain that becomes local, or ceases to be, takes its queued mail along.
func TestLocalMovesWithThePolicy(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		s.step("zone", []string{"here.test MX 10 mx.x.test"})
		s.store([]string{"fails"})
		s.submit([]string{"from=", "to=ann@here.test"}, nil)
		time.Sleep(time.Second)
		s.policy.Local = nil
		s.relay.SetPolicy(s.shaped())
		if _, err := s.relay.Retry(context.Background(), queue.Filter{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if seen := s.seen(); !strings.Contains(seen, "delivered 1 ann@here.test via mx.x.test") {
			t.Errorf("not sent on:\n%s", seen)
		}
	})
}

// A host that is called as our own site is another site.
func TestHostNamedLocal(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		s.step("zone", []string{"y.test MX 10 local", "local A 192.0.2.2"})
		s.step("remote local", nil)
		s.submit([]string{"from=", "to=ann@y.test,ann@here.test"}, nil)
		time.Sleep(time.Second)
		seen := s.seen()
		if !strings.Contains(seen, "ann@y.test via local: 250 2.0.0 Ok: taken") || !strings.Contains(seen, "Delivered to the mailbox") {
			t.Error(seen)
		}
	})
}

// TestLocalCopy: the fields of the last host, and what keeps a copy from being made.
func TestLocalCopy(t *testing.T) {
	book, err := address.New(address.Config{Domains: []string{"here.test"}, Tag: "+"})
	if err != nil {
		t.Fatal(err)
	}
	l := &Local{Addresses: book, Mailboxes: newTestMailboxes("ann@here.test")}
	for _, c := range []struct{ sender, to, field, want string }{
		{"eve@x.test", "ann@here.test", "", "ann@here.test Return-Path: <eve@x.test>|Delivered-To: ann@here.test|"},
		{"", "Ann+tag@here.test", "", "ann@here.test Return-Path: <>|Delivered-To: Ann+tag@here.test|"},
		{"", "ann@here.test", "Delivered-To: ann+tag@here.test", "ann@here.test Return-Path: <>|Delivered-To: ann@here.test|"},
		{"", "ann@here.test", "delivered-to :\r\n ANN@Here.Test", "554 5.4.6"},
		{"", "ann@here.test", "X: Delivered-To: ann@here.test", "ann@here.test Return-Path: <>|Delivered-To: ann@here.test|"},
		{"", "bob@here.test", "", "550 5.1.1"},
		{"", "ann@x.test", "", "550 5.1.1"},
	} {
		content := []byte(c.field + "\r\nSubject: x\r\n\r\nDelivered-To: ann@here.test\r\n")
		if c.field == "" {
			content = content[2:]
		}
		one, refused := l.copyFor(c.sender, c.to, passedThrough(content, "Delivered-To"))
		got := one.Account + " " + strings.ReplaceAll(string(one.Header), "\r\n", "|")
		if refused.Code != 0 {
			got = fmt.Sprintf("%d %s", refused.Code, refused.Enhanced)
		}
		if got != c.want {
			t.Errorf("from %q to %q with %q: %s, want %s", c.sender, c.to, c.field, got, c.want)
		}
	}
}

// TestRedirected: what becomes of the parameters of RFC 3461 when an address stands for others.
func TestRedirected(t *testing.T) {
	to := address.Target{Address: message.Address{Local: "ann", Domain: "here.test"}}
	const success, failure, never = message.NotifySuccess, message.NotifyFailure, message.NotifyNever
	for _, c := range []struct {
		rcpt          message.Recipient
		targets       int
		notify        message.Notify
		kind, address string
	}{
		{message.Recipient{Address: "a@x.test"}, 1, 0, "rfc822", "a@x.test"},
		{message.Recipient{Address: "ä@x.test"}, 2, 0, "utf-8", "ä@x.test"},
		{message.Recipient{Address: "a@x.test", Notify: success, OriginalType: "x400", Original: "C=de"}, 1, success, "x400", "C=de"},
		{message.Recipient{Address: "a@x.test", Notify: success}, 2, never, "rfc822", "a@x.test"},
		{message.Recipient{Address: "a@x.test", Notify: success | failure}, 2, failure, "rfc822", "a@x.test"},
		{message.Recipient{Address: "a@x.test", Notify: never}, 2, never, "rfc822", "a@x.test"},
	} {
		got := redirected(&c.rcpt, to, c.targets)
		want := message.Recipient{Address: "ann@here.test", Domain: "here.test", Notify: c.notify, OriginalType: c.kind, Original: c.address}
		if got != want {
			t.Errorf("%+v to %d: %+v, want %+v", c.rcpt, c.targets, got, want)
		}
	}
}

// Shaping counts for mailboxes as for any site.
func TestLocalShaping(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		one := 1
		shaping, err := policy.NewShaping(s.limits, policy.Override{Match: "site:local", Set: policy.PartialLimits{Connections: &one}})
		if err != nil {
			t.Fatal(err)
		}
		p := s.shaped()
		p.Shaping = shaping
		s.relay.SetPolicy(p)
		s.store([]string{"takes", "1s"})
		for range 10 {
			s.submit([]string{"from=", "to=ann@here.test"}, nil)
		}
		time.Sleep(5500 * time.Millisecond)
		if n := len(s.mailboxes.has("ann@here.test")); n != 5 {
			t.Errorf("%d messages after 5.5 s", n)
		}
		time.Sleep(time.Minute)
	})
}

// TestLocalEvents: what the event log says of local deliveries and of those to a mail store, in Postfix's words.
func TestLocalEvents(t *testing.T) {
	lines := &postfixLines{hostname: "relay", pid: 1, location: time.UTC}
	e := Event{
		Type: EventDelivered, ID: 1, Recipient: "ann@here.test", Status: localOutcome("ann@here.test", nil),
		PeerName: "local", Protocol: "local", Timestamp: time.Unix(0, 0),
	}
	store := e
	store.PeerName, store.Protocol = "/run/lmtp", "LMTP"
	for want, e := range map[string]*Event{
		"/local[1]: ": &e, "relay=local, ": &e, "status=sent (250 2.0.0 Delivered to the mailbox ann@here.test)": &e,
		"/lmtp[1]: ": &store, "relay=/run/lmtp[/run/lmtp], ": &store,
	} {
		if got := string(lines.append(nil, e)); !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}

// TestLocalTrace: trace tells of a local delivery without a connection.
func TestLocalTrace(t *testing.T) {
	inLocalStory(t, func(t *testing.T, s *story) {
		s.policy.Detail = true
		s.relay.SetPolicy(s.shaped())
		for range 2 {
			s.submit([]string{"from=", "to=ann@here.test"}, nil)
			time.Sleep(time.Second)
		}
		for _, e := range s.sub.drain() {
			if e.Type != EventDelivered {
				continue
			}
			if e.Detail == nil || e.Detail.Route.Kind != "local" || e.Detail.Reused || e.Protocol != "local" || e.Site != "local" {
				t.Errorf("%+v, %+v", e, e.Detail)
			}
		}
	})
}
