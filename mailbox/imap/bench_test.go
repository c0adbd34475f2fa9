package imap

import (
	"bufio"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// large makes a world with n messages of 4 KiB in the INBOX.
func large(b *testing.B, n int) *world {
	b.Helper()
	store, err := mailbox.Open(mailbox.Options{Dir: b.TempDir()})
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	must(b, store.Add(b.Context(), ann, 0))
	body := strings.Repeat("All work and no play makes Jack a dull boy.\r\n", 90)
	work := make(chan int)
	done := make(chan error, 64)
	for range cap(done) {
		go func() {
			var err error
			for i := range work {
				m := fmt.Sprintf("From: Sender %d <s%d@x.test>\r\nTo: ann@example.com\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\nSubject: number %d\r\nMessage-ID: <%d@x.test>\r\n\r\n%s", i%100, i%100, i, i, body)
				_, e := store.Deliver(b.Context(), mailbox.Delivery{ID: fmt.Sprint(i), Copies: []mailbox.Copy{{Account: ann, Key: ann}}, Content: []byte(m), Received: noon})
				if e != nil {
					err = e
				}
			}
			done <- err
		}()
	}
	for i := range n {
		work <- i
	}
	close(work)
	for range cap(done) {
		must(b, <-done)
	}
	w := &world{t: b, store: store, logins: &fakeLogins{clear: true}}
	w.serve(func(c *Config) { c.CommandsPerSecond = 1e6 })
	return w
}

// drain reads up to the tagged answer, without looking at the rest.
func (c *wire) drain(tag string) {
	must(c.t, c.conn.SetReadDeadline(time.Now().Add(time.Minute)))
	for {
		line, err := c.in.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue // its rest does not begin with the tag
		}
		must(c.t, err)
		if len(line) > len(tag) && string(line[:len(tag)]) == tag {
			if !strings.Contains(string(line), " OK ") {
				c.t.Fatal(string(line))
			}
			return
		}
	}
}

// BenchmarkLarge is what clients do with a folder of 100,000 messages.
func BenchmarkLarge(b *testing.B) {
	w := large(b, 100_000)
	c := w.login()
	c.do("s SELECT INBOX")
	for _, command := range []string{
		"SELECT INBOX",
		"FETCH 1:* FLAGS",
		"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
		"FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)]",
		"FETCH 1:* ENVELOPE",
		"SEARCH HEADER SUBJECT 99999",
		"SEARCH FROM s42@x.test",
		"SEARCH BODY nowhere",
		"SEARCH UNSEEN",
		"UID FETCH 50000 BODY.PEEK[]",
		"UID FETCH 50000 (FLAGS BODYSTRUCTURE)",
		"NOOP",
	} {
		b.Run(command, func(b *testing.B) {
			c.t = b
			for b.Loop() {
				c.send("b " + command + "\r\n")
				c.drain("b ")
			}
		})
	}
}

// BenchmarkIdle tells what a client in IDLE holds, with TLS, the client's own side included.
func BenchmarkIdle(b *testing.B) {
	const clients = 500
	w := newWorld(b, func(c *Config) {
		c.TLS, c.ImplicitTLS, c.MaxConnectionsPerAddr = testTLS(b), true, clients
	})
	w.put("INBOX", letter)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all []*wire
		for range clients {
			c := w.dial().startTLS()
			c.line()
			c.do("a LOGIN ann@example.com secret")
			c.do("b SELECT INBOX")
			c.send("c IDLE\r\n")
			c.until("+ ")
			all = append(all, c)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/clients, "B/client")
		for _, c := range all {
			must(b, c.conn.Close())
		}
		eventually(b, func() bool { return w.server.Metrics().Connections == 0 })
	}
}
