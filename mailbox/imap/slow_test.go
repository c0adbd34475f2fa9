package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A stranger whose login trickles in has no more time than another.
func TestLoginTrickles(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.LoginTimeout = 50 * time.Millisecond })
	for _, begin := range []string{"a LOGIN {4000+}\r\n", "a LOGIN ann {4000+}\r\n", "a NOOP", "a AUTHENTICATE PLAIN\r\n"} {
		c := w.dial()
		c.line()
		c.send(begin)
		cut := make(chan struct{})
		go func() {
			defer close(cut)
			for c.next() != "(hangs up)" {
				continue
			}
		}()
		for trickling := true; trickling; {
			select {
			case <-cut:
				trickling = false
			case <-time.After(time.Millisecond):
				_, _ = c.conn.Write([]byte("x")) // fails when it has been cut
			}
		}
	}
}

// Nor has a message; and what is held for it is given back.
func TestAppendTrickles(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.CommandTimeout, c.MaxMessageBytes, c.Memory = 50*time.Millisecond, 4000, 4000 })
	w.put("INBOX", letter)
	c := w.login()
	c.send("a APPEND INBOX {4000}\r\n")
	c.until("+ ")
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		c.until("(hangs up)")
	}()
	for trickling := true; trickling; {
		select {
		case <-cut:
			trickling = false
		case <-time.After(time.Millisecond):
			_, _ = c.conn.Write([]byte("x"))
		}
	}
	other := w.login()
	other.do("s SELECT INBOX")
	other.do("a FETCH 1 BODY.PEEK[]")
}

// An account has its share, and waits for it no longer than it must.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(100, 10)
		ctx, cancel := context.WithCancel(t.Context())
		release, err := m.take(ctx, "ann", 1000) // all she may have
		must(t, err)
		start := time.Now()
		if _, err := m.take(ctx, "ann", 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != sharePatience {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		var others []func()
		for n := range 3 {
			free, err := m.take(ctx, fmt.Sprint("bob", n), 25)
			must(t, err)
			others = append(others, free)
		}
		go func() {
			time.Sleep(time.Second)
			release()
		}()
		start = time.Now()
		free, err := m.take(ctx, "carl", 25)
		if err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		cancel()
		if _, err := m.take(ctx, "dora", 1); err == nil {
			t.Error("taken after the end")
		}
		free()
		for _, free := range others {
			free()
		}
		if len(m.accounts) != 0 || !m.total.TryAcquire(100) {
			t.Errorf("not all was given back: %d accounts", len(m.accounts))
		}
	})
}

// An IDLE that the library refuses leaves no way past the gate for the command behind it.
func TestIdleWithArgument(t *testing.T) {
	w := newWorld(t)
	c := w.login()
	c.send("a IDLE now\r\nb CAPABILITY\r\nc SEARCH TEXT {9}\r\n")
	c.until("a BAD No arguments")
	if got := c.line(); got != "* CAPABILITY "+w.server.capabilities() {
		t.Error(got)
	}
	c.until("b OK")
	c.until("+ ")
}

// A FETCH that asks for the same octets again and again is answered without gathering it all.
func TestFetchManyTimes(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX", "Subject: x\r\n\r\n"+strings.Repeat("x", 7000))
	c := w.login()
	c.do("s SELECT INBOX")
	const times = 3000
	got := c.do("a FETCH 1 (" + strings.TrimSuffix(strings.Repeat("BODY.PEEK[] ", times), " ") + ")")
	if n := strings.Count(strings.Join(got, "\n"), "Subject: x"); n != times {
		t.Errorf("%d times", n)
	}
}

// LIST is bounded by what it is asked to match.
func TestListLongPattern(t *testing.T) {
	w := newWorld(t)
	c := w.login()
	got := c.try(`a LIST "" ` + strings.Repeat("%a", 1001))
	if last := got[len(got)-1]; !strings.HasPrefix(last, "a NO [LIMIT]") {
		t.Error(last)
	}
	c.do(`b LIST "" ` + strings.Repeat("%a", 1000))
}

// Two sessions of an account that search in bodies take turns, and both come to their end.
func TestSearchTakesTurns(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.put("INBOX", fmt.Sprintf("Subject: %d\r\n\r\nfox %d\r\n", i, i))
	}
	a, b := w.login(), w.login()
	for _, c := range []*wire{a, b} {
		c.do("s SELECT INBOX")
		c.send("a SEARCH BODY fox TEXT 7\r\n")
	}
	for _, c := range []*wire{a, b} {
		if got := c.until("a OK"); got[0] != "* SEARCH 8 18 28 38 48" {
			t.Error(got)
		}
	}
	if n := len(w.server.turns.accounts); n != 0 {
		t.Errorf("%d accounts have a turn", n)
	}
}
