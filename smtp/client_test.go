package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// clientTx is a message from a@x.test.
func clientTx(content string, to ...string) *Transaction {
	tx := &Transaction{Envelope: &message.Envelope{Sender: "a@x.test"}, Content: []byte(content)}
	for _, addr := range to {
		tx.Recipients = append(tx.Recipients, message.Recipient{Address: addr})
	}
	return tx
}

// clientGreeted returns a client that has been greeted.
func clientGreeted(t testing.TB, conn net.Conn, cfg ClientConfig) *Client {
	t.Helper()
	cfg.Hostname = "client.test"
	c := NewClient(conn, cfg)
	t.Cleanup(func() { c.Close() })
	if err := c.Greet(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

// clientStatus returns the peer's status in err, as callers find it.
func clientStatus(err error) (st message.Status) {
	errors.As(err, &st)
	return st
}

func TestClientStartTLS(t *testing.T) {
	server, client := smtptest.TLSConfigs(t, "mx.test")
	for _, tcp := range []bool{false, true} {
		peer := smtptest.Start(t, "EHLO once -> 250-STARTTLS|250 PIPELINING\nEHLO -> 250-PIPELINING|250 REQUIRETLS")
		peer.TLS = server
		c := clientGreeted(t, clientDial(t, peer, tcp), ClientConfig{})
		if err := c.StartTLS(context.Background(), client); err != nil {
			t.Fatal(err)
		}
		if c.Extensions().StartTLS || !c.Extensions().RequireTLS {
			t.Errorf("what was offered in the clear still holds: %+v", c.Extensions())
		}
		tx := clientTx("secret\r\n", "bob@y.test")
		tx.Envelope.RequireTLS = true
		if err := c.CheckIdle(); err != nil { // session tickets may be waiting
			t.Fatal(err)
		}
		if res := c.Send(context.Background(), tx, nil); !res.Recipients[0].Positive() {
			t.Errorf("%+v", res)
		}
		if state, ok := c.TLS(); !ok || state.Version != tls.VersionTLS13 {
			t.Errorf("TLS %v", ok)
		}
		if m := peer.Messages(); len(m) != 1 || !m[0].TLS || m[0].Params != "REQUIRETLS" {
			t.Errorf("%+v", m)
		}
	}
}

// REQUIRETLS wants a peer that offers it under TLS; a report goes on without (RFC 8689 4.2.1, 5).
func TestClientRequireTLS(t *testing.T) {
	server, client := smtptest.TLSConfigs(t, "mx.test")
	for _, tt := range []struct {
		sender, offer string
		tls           bool
		want, params  string
	}{
		{"a@x.test", "250 REQUIRETLS", true, "250 2.0.0", "REQUIRETLS"},
		{"a@x.test", "250 PIPELINING", true, "550 5.7.30", ""},
		{"a@x.test", "250 REQUIRETLS", false, "550 5.7.10", ""},
		{"", "250 REQUIRETLS", true, "250 2.0.0", "REQUIRETLS"},
		{"", "250 PIPELINING", true, "250 2.0.0", ""},
		{"", "250 REQUIRETLS", false, "250 2.0.0", ""},
	} {
		peer := smtptest.Start(t, "EHLO -> 250-STARTTLS|"+tt.offer)
		peer.TLS = server
		c := clientGreeted(t, peer.Dial(), ClientConfig{})
		if tt.tls {
			if err := c.StartTLS(context.Background(), client); err != nil {
				t.Fatal(err)
			}
		}
		tx := clientTx("secret\r\n", "bob@y.test")
		tx.Envelope.Sender, tx.Envelope.RequireTLS = tt.sender, true
		res := c.Send(context.Background(), tx, nil)
		m := peer.Messages()
		if !strings.HasPrefix(res.Recipients[0].String(), tt.want) || len(m) == 1 && m[0].Params != tt.params {
			t.Errorf("%+v: %v %+v", tt, res.Recipients, m)
		}
	}
}

func TestClientStartTLSRefused(t *testing.T) {
	peer := smtptest.Start(t, "EHLO -> 250 STARTTLS\nSTARTTLS -> 454 4.7.0 not now")
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	err := c.StartTLS(context.Background(), &tls.Config{})
	if clientStatus(err).Code != 454 || c.Err() != nil {
		t.Fatalf("%v, %v", err, c.Err())
	}
	if res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil); !res.Recipients[0].Positive() {
		t.Errorf("%+v", res)
	}
}

// TestClientStartTLSGlued: bytes behind the 220 were put there by somebody else (CVE-2021-38371).
func TestClientStartTLSGlued(t *testing.T) {
	peer := smtptest.Start(t, `
		EHLO     -> 250 STARTTLS
		STARTTLS -> raw "220 go\r\n250 2.1.0 injected\r\n"`)
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	if err := c.StartTLS(context.Background(), &tls.Config{}); !errors.Is(err, ErrGluedTLS) || c.Err() == nil {
		t.Fatalf("%v, %v", err, c.Err())
	}
}

func TestClientHandshakeFails(t *testing.T) {
	server, _ := smtptest.TLSConfigs(t, "mx.test")
	peer := smtptest.Start(t, "EHLO -> 250 STARTTLS")
	peer.TLS = server
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	err := c.StartTLS(context.Background(), &tls.Config{ServerName: "other.test"})
	var phase *PhaseError
	if !errors.As(err, &phase) || phase.Phase != PhaseHandshake || c.Err() == nil {
		t.Fatalf("%v", err)
	}
}

func TestClientGreetings(t *testing.T) {
	for _, tt := range []struct {
		script string
		code   int
		is     error
	}{
		{"greeting -> 421 4.3.2 busy then close", 421, nil},
		{"greeting -> 554-5.7.1 go|554 5.7.1 away", 554, nil},
		{"greeting -> drop", 0, io.EOF},
		{`greeting -> raw "HTTP/1.1 400 Bad Request\r\n"`, 0, ErrProtocol},
		{`greeting -> raw "SSH-2.0-x"`, 0, ErrProtocol},
		{`greeting -> raw "220 hi\r\n250 early\r\n"`, 0, ErrProtocol},
		{"greeting -> 250 hi", 0, ErrProtocol},
		{"EHLO -> 421 4.3.2 busy then close", 421, nil},
		{"EHLO -> 451 4.3.2 later", 451, nil},
		{"EHLO -> 500 what\nHELO -> 550 no", 550, nil},
		{"EHLO -> 500 what then close", 0, io.EOF},
	} {
		peer := smtptest.Start(t, tt.script)
		c := NewClient(peer.Dial(), ClientConfig{Hostname: "c.test"})
		err := c.Greet(context.Background())
		if clientStatus(err).Code != tt.code || !errors.Is(err, tt.is) && tt.is != nil || c.Err() == nil {
			t.Errorf("%s: %v", tt.script, err)
		}
		if res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil); res.Err == nil || res.Recipients[0].Code != 0 {
			t.Errorf("%s: sent on a dead connection: %+v", tt.script, res)
		}
	}
}

// TestClientIdle: what happened while a connection was idle is noticed before it is used again.
func TestClientIdle(t *testing.T) {
	for _, tt := range []struct {
		script string
		code   int
		is     error
	}{
		{"", 0, nil},
		{"DOT -> 250 ok then close", 0, io.EOF},
		{`DOT -> raw "250 ok\r\n421 4.4.2 idle\r\n" then close`, 421, nil},
		{`DOT -> 250 ok then raw "250 one too many\r\n"`, 0, ErrProtocol},
	} {
		for _, tcp := range []bool{false, true} {
			peer := smtptest.Start(t, tt.script)
			c := clientGreeted(t, clientDial(t, peer, tcp), ClientConfig{})
			if res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil); !res.Recipients[0].Positive() {
				t.Fatalf("%s: %+v", tt.script, res)
			}
			if tt.is != nil || tt.code != 0 { // let what the peer does arrive: it has done it before it closes
				peer.Close()
			}
			err := c.CheckIdle()
			if clientStatus(err).Code != tt.code || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%q: %v", tt.script, err)
			}
		}
	}
}

// TestClientReplyTooMany: a reply that nobody asked for would be taken for another command's.
func TestClientReplyTooMany(t *testing.T) {
	peer := smtptest.Start(t, `DOT -> raw "250 ok\r\n250 again\r\n"`)
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil)
	res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil)
	if !errors.Is(res.Err, ErrProtocol) || res.Recipients[0].Code != 0 || res.Sent {
		t.Errorf("%+v", res)
	}
}

// TestClientSentHalf: a message cut off in its content is not in doubt.
func TestClientSentHalf(t *testing.T) {
	for _, offers := range []string{"250 PIPELINING", "250-PIPELINING|250 CHUNKING"} {
		content := strings.Repeat("0123456789abcd\r\n", 100)
		peer := smtptest.Start(t, "EHLO -> "+offers)
		c := clientGreeted(t, smtptest.Faulty(peer.Dial(), smtptest.Faults{WriteCut: 1000}), ClientConfig{})
		res := c.Send(context.Background(), clientTx(content, "bob@y.test"), nil)
		if res.Sent || res.Err == nil || res.Recipients[0].Code != 0 {
			t.Errorf("%+v", res)
		}
	}
}

// TestClientLies: replies that contradict each other are no delivery.
func TestClientLies(t *testing.T) {
	for _, script := range []string{
		"MAIL -> 550 5.7.1 no\nRCPT -> 250 but yes\nDATA -> 354 go", // even a lone dot would deliver
		"DATA -> 250 ok", "MAIL -> 354 go", "RCPT -> 354 go", "DOT -> 354 more",
		`RCPT -> raw "550-no\r\n250 yes\r\n"`,
	} {
		peer := smtptest.Start(t, script)
		c := clientGreeted(t, peer.Dial(), ClientConfig{})
		res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil)
		if !errors.Is(res.Err, ErrProtocol) || res.Recipients[0].Positive() || len(peer.Messages()) > 0 {
			t.Errorf("%s: %+v", script, res)
		}
	}
}

// TestClientRepliesBounded: a peer cannot make us keep a reply without end.
func TestClientRepliesBounded(t *testing.T) {
	for _, reply := range []string{strings.Repeat("250-x\r\n", 1000), "250 " + strings.Repeat("x", 100000), "250-" + strings.Repeat("x", 100000)} {
		peer := smtptest.Start(t, "")
		near, far := smtptest.Pipe()
		peer.Serve(far)
		c := clientGreeted(t, near, ClientConfig{})
		far.Write([]byte(reply))
		res := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil)
		if !errors.Is(res.Err, ErrProtocol) || res.Recipients[0].Code != 0 {
			t.Errorf("%.10s: %+v", reply, res)
		}
	}
}

// TestClientCancel: a context that ends ends the wait at once, and the message is in doubt.
func TestClientCancel(t *testing.T) {
	for _, offers := range []string{"250 PIPELINING", "250-PIPELINING|250 CHUNKING", "250 SIZE"} {
		synctest.Test(t, func(t *testing.T) {
			peer := smtptest.Start(t, "EHLO -> "+offers+"\nDOT bob -> stall")
			ctx, cancel := context.WithCancel(context.Background())
			c := clientGreeted(t, peer.Dial(), ClientConfig{})
			defer c.Close()
			if res := c.Send(ctx, clientTx("hi\r\n", "eve@y.test"), nil); !res.Recipients[0].Positive() {
				t.Fatalf("%+v", res)
			}
			start := time.Now()
			time.AfterFunc(time.Second, cancel)
			res := c.Send(ctx, clientTx("hi\r\n", "bob@y.test"), nil)
			if !errors.Is(res.Err, context.Canceled) || !res.Sent || res.Recipients[0].Code != 0 || time.Since(start) != time.Second {
				t.Errorf("%+v after %v", res, time.Since(start))
			}
			peer.Close()
		})
	}
}

// TestClientLateCancel: cancelling the context of a call that is over does not touch the next one.
func TestClientLateCancel(t *testing.T) {
	peer := smtptest.Start(t, "")
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		if res := c.Send(ctx, clientTx("hi\r\n", "bob@y.test"), nil); res.Err != nil {
			t.Fatal(res.Err)
		}
		cancel()
	}
}

// TestClientTimeouts: each phase is waited for as long as it is told, and no longer, also when a
// peer sends its reply in drips.
func TestClientTimeouts(t *testing.T) {
	limits := Timeouts{Greeting: 1 * time.Minute, EHLO: 2 * time.Minute, Mail: 3 * time.Minute, Rcpt: 4 * time.Minute,
		DataInit: 5 * time.Minute, DataEnd: 6 * time.Minute}
	drip := `raw "250-a\r\n" then wait 50s then raw "250-b\r\n" then wait 500s`
	for _, tt := range []struct {
		script string
		phase  Phase
		limit  time.Duration
	}{
		{"greeting -> stall", PhaseGreeting, limits.Greeting},
		{"EHLO -> stall", PhaseEHLO, limits.EHLO},
		{"MAIL -> stall", PhaseMail, limits.Mail},
		{"RCPT -> stall", PhaseRcpt, limits.Rcpt},
		{"RCPT -> " + drip, PhaseRcpt, limits.Rcpt},
		{"DATA -> stall", PhaseData, limits.DataInit},
		{"DOT -> stall", PhaseFinal, limits.DataEnd},
	} {
		synctest.Test(t, func(t *testing.T) {
			peer := smtptest.Start(t, tt.script)
			c := NewClient(peer.Dial(), ClientConfig{Hostname: "c.test", Timeouts: limits})
			start := time.Now()
			err := c.Greet(context.Background())
			if err == nil {
				err = c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil).Err
			}
			took := time.Since(start)
			var phase *PhaseError
			if !errors.As(err, &phase) || phase.Phase != tt.phase || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", tt.script, err)
			}
			if took < tt.limit || took > tt.limit*5/4 {
				t.Errorf("%s: after %v, not %v", tt.script, took, tt.limit)
			}
			peer.Close()
		})
	}
}

// TestClientWriteStalls: a peer that does not read ends in the DataBlock timeout.
func TestClientWriteStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := smtptest.Start(t, "DATA -> 354 go then stall") // takes no more than the pipe holds
		c := clientGreeted(t, peer.Dial(), ClientConfig{Timeouts: Timeouts{DataBlock: time.Minute}})
		start := time.Now()
		res := c.Send(context.Background(), clientTx(strings.Repeat("x\r\n", 1<<20), "bob@y.test"), nil)
		if !errors.Is(res.Err, os.ErrDeadlineExceeded) || res.Sent || time.Since(start) > 3*time.Minute {
			t.Errorf("%v after %v", res, time.Since(start))
		}
		peer.Close()
	})
}

// TestClientLastWords: what a peer said before it closed is read, although writing fails.
func TestClientLastWords(t *testing.T) {
	peer := smtptest.Start(t, "DATA -> 354 go then raw \"552 5.3.4 too large\\r\\n\" then close")
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	res := c.Send(context.Background(), clientTx(strings.Repeat("x\r\n", 1<<20), "bob@y.test"), nil)
	if res.Recipients[0].Code != 552 || res.Err == nil || res.Sent {
		t.Errorf("%+v %v", res.Recipients, res.Err)
	}
}

// TestClientOutOfOrder: what next gave must be sent next.
func TestClientOutOfOrder(t *testing.T) {
	peer := smtptest.Start(t, "")
	c := clientGreeted(t, peer.Dial(), ClientConfig{})
	promised := clientTx("hi\r\n", "eve@y.test")
	once := func() *Transaction { tx := promised; promised = nil; return tx }
	c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), once)
	if c.InFlight() != 1 {
		t.Errorf("%d in flight", c.InFlight())
	}
	if res := c.Send(context.Background(), clientTx("hi\r\n", "dave@y.test"), nil); !errors.Is(res.Err, ErrMisuse) {
		t.Errorf("%+v", res)
	}
}

// TestClientUnreadBound: never more commands in flight than the sockets' buffers have room for replies.
func TestClientUnreadBound(t *testing.T) {
	peer := smtptest.Start(t, "")
	wire := smtptest.Faulty(peer.Dial(), smtptest.Faults{})
	c := clientGreeted(t, wire, ClientConfig{})
	tx := clientTx("hi\r\n")
	for range 500 {
		tx.Recipients = append(tx.Recipients, message.Recipient{Address: "bob@y.test"})
	}
	c.Send(context.Background(), tx, nil)
	for _, f := range wire.Flights() {
		if n := strings.Count(f, "\n"); n > clientMaxUnread {
			t.Errorf("%d commands in a flight", n)
		}
	}
}

// TestClientTrace: the outline of a dialogue over a line with a round trip of 50 ms.
func TestClientTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := smtptest.Start(t, "")
		c := clientGreeted(t, smtptest.Slow(peer.Dial(), 25*time.Millisecond), ClientConfig{})
		tr := c.Send(context.Background(), clientTx("hi\r\n", "bob@y.test"), nil).Trace
		c.Close()
		const rtt = 50 * time.Millisecond
		if tr.MailAt != rtt || tr.RcptAt != rtt || tr.DataAt != rtt || tr.SentAt != rtt || tr.FinalAt != 2*rtt {
			t.Errorf("%+v", tr)
		}
		if tr.Mail.Text != "ok" || tr.Rcpt.Text != "ok" || tr.Data.Code != 354 || tr.Final.Code != 250 || tr.Chunked {
			t.Errorf("%+v", tr)
		}
		peer.Close()
	})
}

// TestClientPerRoundTrip counts messages per round trip at 50 ms on one connection.
func TestClientPerRoundTrip(t *testing.T) {
	for offers, least := range map[string]float64{"250 PIPELINING": 0.9, "250-PIPELINING|250 CHUNKING": 5} {
		synctest.Test(t, func(t *testing.T) {
			const messages, rtt = 200, 50 * time.Millisecond
			peer := smtptest.Start(t, "EHLO -> "+offers)
			c := clientGreeted(t, smtptest.Slow(peer.Dial(), rtt/2), ClientConfig{})
			content := strings.Repeat("0123456789abcd\r\n", 256)
			var txs []*Transaction
			for range messages {
				txs = append(txs, clientTx(content, "bob@y.test"))
			}
			start := time.Now()
			for _, res := range clientSendAll(context.Background(), c, txs) {
				if !res.Recipients[0].Positive() {
					t.Fatalf("%+v", res)
				}
			}
			rate := messages / (float64(time.Since(start)) / float64(rtt))
			t.Logf("%s: %.2f messages per round trip", offers, rate)
			if rate < least {
				t.Errorf("%s: %.2f messages per round trip, want %v", offers, rate, least)
			}
			c.Close()
			peer.Close()
		})
	}
}

func TestClientLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	peer, err := smtptest.New("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := NewClient(peer.Dial(), ClientConfig{Hostname: "c.test"})
	if err := c.Greet(ctx); err != nil {
		t.Fatal(err)
	}
	c.Send(ctx, clientTx("hi\r\n", "bob@y.test"), nil)
	if err := c.Quit(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Quit(ctx); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	peer.Close()
}

// clientDial connects to peer, in memory or over the loopback.
func clientDial(t testing.TB, peer *smtptest.Server, tcp bool) net.Conn {
	t.Helper()
	if !tcp {
		return peer.Dial()
	}
	conn, err := net.Dial("tcp", peer.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
