package relay

import (
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

var sampleStart = time.Date(2026, 1, 2, 15, 4, 5, 123456000, time.UTC)

// sampleID is the ID of a message accepted at sampleStart.
func sampleID(n int) message.ID {
	g := message.IDs{Now: func() time.Time { return sampleStart }}
	id := g.Next()
	for range n {
		id = g.Next()
	}
	return id
}

// sampleEvents is one event of each type: the log of a message to a few recipients.
func sampleEvents() [NumEventTypes]Event {
	at := func(d time.Duration) time.Time { return sampleStart.Add(d) }
	accepted := Event{
		Type: EventAccepted, ID: sampleID(0), Timestamp: at(0), Created: at(0),
		Sender: "shop@a.test", Recipient: "bob@example.net", Recipients: 3, Size: 4200,
		PeerName: "web1.a.test", PeerAddr: netip.MustParseAddrPort("192.0.2.7:41234"), HELO: "web1",
		Reception: "ESMTPS", TLSVersion: "TLSv1.3", TLSCipher: "TLS_AES_128_GCM_SHA256",
		SessionID: "s1", MessageID: "order-1@a.test", Listener: "submission", AuthName: "shop", Class: message.ClassTransactional,
		Checks: "spf=pass dkim=pass dmarc=pass iprev=pass; tag: listed=lists.test",
		DKIM:   "d=a.test s=2026a a=rsa-sha256; d=a.test s=2026a-ed a=ed25519-sha256",
		Status: message.Status{Code: 250, Enhanced: message.EnhancedCode{2, 0, 0}, Text: "Ok: queued"},
		Delays: Delays{BeforeQueue: 3200 * time.Microsecond},
	}
	rejected := Event{
		Type: EventRejected, Timestamp: at(time.Second), Sender: "x@spam.test", Recipient: "who@else.test",
		PeerAddr: netip.MustParseAddrPort("198.51.100.9:999"), HELO: "friend", Reception: "ESMTP",
		SessionID: "s2", Listener: "mx", Command: "RCPT TO",
		Status: message.Status{Code: 554, Enhanced: message.EnhancedCode{5, 7, 1}, Text: "Relay access denied"},
	}
	attempt := Event{
		ID: sampleID(0), Created: at(0), Sender: "shop@a.test", Domain: "example.net", Site: "mx*.example.net", Size: 4200,
		PeerName: "mx1.example.net", PeerAddr: netip.MustParseAddrPort("192.0.2.25:25"),
		Source: "out1", Pool: "default", Protocol: "ESMTPS", TLSVersion: "TLSv1.3", TLSCipher: "TLS_AES_128_GCM_SHA256",
		MessageID: "order-1@a.test", Attempts: 1, Class: message.ClassTransactional, Command: "RCPT TO",
		Delays: Delays{3200 * time.Microsecond, 800 * time.Microsecond, 42 * time.Millisecond, 61500 * time.Microsecond},
		Detail: sampleDetail(),
	}
	of := func(t EventType, after time.Duration, rcpt string, s message.Status) Event {
		e := attempt
		e.Type, e.Timestamp, e.Recipient, e.Status = t, at(after), rcpt, s
		return e
	}
	remote := func(code int, enhanced message.EnhancedCode, text string) message.Status {
		return message.Status{Code: code, Enhanced: enhanced, Text: text, Remote: true}
	}
	ours := func(code int, enhanced message.EnhancedCode, text string) message.Status {
		return message.Status{Code: code, Enhanced: enhanced, Text: text}
	}

	var events [NumEventTypes]Event
	events[EventAccepted] = accepted
	events[EventRejected] = rejected
	events[EventDelivered] = of(EventDelivered, 107*time.Millisecond, "bob@example.net",
		remote(250, message.EnhancedCode{2, 0, 0}, "Ok: queued as 12345"))
	events[EventDelivered].Command = "end of DATA"

	deferred := of(EventDeferred, 107*time.Millisecond, "eve@example.net",
		remote(451, message.EnhancedCode{4, 7, 1}, "Greylisted,\ncome back later"))
	deferred.NextDue, deferred.Classification = at(5*time.Minute+107*time.Millisecond), "Greylisted"
	events[EventDeferred] = deferred

	bounced := of(EventBounced, 107*time.Millisecond, "joe@example.net",
		remote(550, message.EnhancedCode{5, 1, 1}, "No such user here"))
	bounced.Classification, bounced.Removed = "BadMailbox", true
	events[EventBounced] = bounced

	expired := of(EventExpired, 120*time.Hour, "eve@example.net",
		ours(451, message.EnhancedCode{4, 4, 1}, "connect to mx1.example.net[192.0.2.25]:25: connection refused"))
	expired.Attempts, expired.Command, expired.Detail = 34, "", nil
	expired.PeerName, expired.PeerAddr = "", netip.AddrPort{}
	expired.Delays = Delays{3200 * time.Microsecond, 120 * time.Hour, time.Millisecond, 0}
	events[EventExpired] = expired

	short := func(t EventType, s message.Status) Event {
		return Event{Type: t, ID: sampleID(0), Timestamp: at(time.Hour), Created: at(0), Sender: "shop@a.test",
			Recipient: "eve@example.net", Domain: "example.net", Size: 4200, Status: s}
	}
	events[EventDropped] = short(EventDropped, ours(0, message.EnhancedCode{}, "dropped by operator"))
	events[EventHeld] = short(EventHeld, message.Status{})
	events[EventReleased] = short(EventReleased, message.Status{})
	events[EventSuppressed] = short(EventSuppressed, ours(550, message.EnhancedCode{5, 7, 1}, "recipient is on the suppression list"))
	captured := of(EventCaptured, 107*time.Millisecond, "bob@example.net", ours(250, message.EnhancedCode{2, 0, 0}, "captured"))
	captured.Detail, captured.Command, captured.PeerName = nil, "", "sandbox"
	events[EventCaptured] = captured
	complained := short(EventComplained, message.Status{})
	complained.ID, complained.Relates = sampleID(2), sampleID(0)
	events[EventComplained] = complained

	report := short(EventReport, message.Status{})
	report.ID, report.Relates, report.Sender, report.Recipient = sampleID(1), sampleID(0), "", "shop@a.test"
	report.MessageID, report.Size, report.Tenant, report.Domain = "dsn-1@mail.a.test", 2900, "shop", "a.test"
	events[EventReport] = report
	return events
}

func sampleDetail() *Detail {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	said := func(code int, text string) message.Status {
		return message.Status{Code: code, Text: text, Remote: true}
	}
	return &Detail{
		Start: sampleStart.Add(800 * time.Microsecond),
		Route: RouteDetail{Kind: "mx", Cached: true, Took: 40 * time.Microsecond, Hosts: []string{"mx1.example.net", "mx2.example.net"}},
		Steps: []Step{
			{Phase: "connect", At: ms(12), Host: "mx1.example.net [192.0.2.25]:25"},
			{Phase: "greeting", At: ms(20), Status: said(220, "mx1.example.net ESMTP")},
			{Phase: "tls", At: ms(36)},
			{Phase: "ehlo", At: ms(42), Status: said(250, "mx1.example.net PIPELINING SIZE 10485760")},
			{Phase: "mail", At: ms(61), Status: said(250, "ok")},
			{Phase: "data", At: ms(62), Status: said(354, "go ahead")},
			{Phase: "end", At: ms(104), Status: said(250, "Ok: queued as 12345")},
		},
	}
}
