package imap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

const letter = "From: a@x.test\r\nSubject: a letter\r\n\r\nHello\r\n"

// The library's own client understands us.
func TestImapclient(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX", letter)
	pushed := make(chan uint32, 10)
	c, err := imapclient.DialInsecure(w.addr, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				pushed <- *data.NumMessages
			}
		}}})
	must(t, err)
	defer c.Close()
	must(t, c.Authenticate(sasl.NewPlainClient("", ann, "secret")))
	if _, err := c.Enable(goimap.CapIMAP4rev2).Wait(); err != nil {
		t.Fatal(err)
	}
	selected, err := c.Select("INBOX", nil).Wait()
	must(t, err)
	if selected.NumMessages != 1 || selected.UIDNext != 2 || selected.List == nil {
		t.Errorf("selected: %+v", selected)
	}
	idle, err := c.Idle()
	must(t, err)
	w.put("INBOX", letter)
	if n := <-pushed; n != 2 {
		t.Errorf("%d messages pushed, want 2", n)
	}
	must(t, idle.Close())
	must(t, idle.Wait())
	section := &goimap.FetchItemBodySection{Specifier: goimap.PartSpecifierText}
	got, err := c.Fetch(goimap.SeqSetNum(1, 2), &goimap.FetchOptions{Envelope: true, Flags: true, UID: true,
		BodyStructure: &goimap.FetchItemBodyStructure{Extended: true}, BodySection: []*goimap.FetchItemBodySection{section}}).Collect()
	must(t, err)
	if len(got) != 2 || got[1].Envelope.Subject != "a letter" || string(got[1].FindBodySection(section)) != "Hello\r\n" || got[1].BodyStructure.MediaType() != "text/plain" {
		t.Errorf("fetched %+v", got)
	}
	found, err := c.Search(&goimap.SearchCriteria{Smaller: 100, Flag: []goimap.Flag{goimap.FlagSeen}}, nil).Wait()
	must(t, err)
	if nums := found.AllSeqNums(); len(nums) != 2 {
		t.Errorf("found %v", nums)
	}
	moved, err := c.Move(goimap.SeqSetNum(1), "Archive").Wait()
	must(t, err)
	if moved.SourceUIDs.String() != "1" || moved.DestUIDs.String() != "1" {
		t.Errorf("moved %+v", moved)
	}
	listed, err := c.List("", "%", &goimap.ListOptions{ReturnStatus: &goimap.StatusOptions{NumMessages: true}}).Collect()
	must(t, err)
	if len(listed) != 6 || *listed[1].Status.NumMessages != 1 {
		t.Errorf("listed %+v", listed)
	}
	must(t, c.Logout().Wait())
}

// What several clients set at the same time is all there afterwards.
func TestNoLostUpdate(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX", letter)
	var clients sync.WaitGroup
	for n := range 4 {
		c := w.login()
		c.do("s SELECT INBOX")
		clients.Add(1)
		go func() {
			defer clients.Done()
			for i := range 10 {
				c.do(fmt.Sprintf("a UID STORE 1 +FLAGS.SILENT (k%dx%d)", n, i))
			}
		}()
	}
	clients.Wait()
	f, err := w.store.OpenFolder(t.Context(), ann, "INBOX")
	must(t, err)
	defer f.Close()
	if m, _ := f.Get(1); len(m.Flags.Keywords) != 40 {
		t.Errorf("%d keywords: %v", len(m.Flags.Keywords), m.Flags.Keywords)
	}
}

// While one client fetches, another expunges. No number changes under the first.
func TestExpungeDuringFetch(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		w.put("INBOX", letter)
	}
	a, b := w.login(), w.login()
	a.do("s SELECT INBOX")
	b.do("s SELECT INBOX")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for uid := 1; uid <= 200; uid += 3 {
			b.do(fmt.Sprintf("b UID STORE %d +FLAGS.SILENT \\Deleted", uid))
			b.do("b EXPUNGE")
		}
	}()
	uids := make(map[string]string) // by number
	for n := 0; n < 40; n++ {
		for _, line := range a.do("a FETCH 1:* (UID BODY.PEEK[TEXT])") {
			if strings.Contains(line, "EXPUNGE") && !strings.Contains(line, "EXPUNGEISSUED") {
				t.Fatalf("during FETCH: %s", line)
			}
			var number, uid string
			if k, _ := fmt.Sscanf(line, "* %s FETCH (UID %s", &number, &uid); k == 2 {
				if before, ok := uids[number]; ok && before != uid {
					t.Fatalf("message %s was UID %s and is %s", number, before, uid)
				}
				uids[number] = uid
			}
		}
	}
	<-done
	left := 200
	for _, line := range a.do("a NOOP") {
		if strings.HasSuffix(line, "EXPUNGE") {
			left--
		}
	}
	if left != 133 {
		t.Errorf("%d messages left, want 133", left)
	}
}

// A client that never reads what it is sent is cut off, and nobody else waits for it.
func TestClientNeverReads(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.WriteTimeout = 50 * time.Millisecond })
	w.put("INBOX", "Subject: large\r\n\r\n"+strings.Repeat("x", 20<<20))
	deaf := w.login()
	deaf.do("s SELECT INBOX")
	deaf.send("a FETCH 1 BODY.PEEK[]\r\nb FETCH 1 BODY.PEEK[]\r\n")
	other := w.login()
	other.do("s SELECT INBOX")
	other.do("a STORE 1 +FLAGS (\\Seen)")
	eventually(t, func() bool { return w.server.Metrics().Sessions == 1 })
	other.do("a NOOP")
}

// eventually waits until something is so.
func eventually(t testing.TB, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// A client in IDLE that takes nothing costs nothing: what happens meanwhile is not queued for it.
func TestIdleTellsWhatIs(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX", letter)
	idle, busy := w.login(), w.login()
	idle.do("s SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.until("+ ")
	busy.do("s SELECT INBOX")
	busy.do("a STORE 1 FLAGS (\\Answered)")
	idle.until("* 1 FETCH (UID 1 FLAGS (\\Answered))")
	w.put("INBOX", letter)
	idle.until("* 2 EXISTS")
	busy.do("a STORE 1 FLAGS (\\Deleted)")
	busy.do("a EXPUNGE")
	idle.until("* 1 EXPUNGE")
	idle.send("DONE\r\n")
	idle.until("i OK")
	if n := w.server.Metrics().Idling; n != 0 {
		t.Errorf("%d idle", n)
	}
}

func TestLimits(t *testing.T) {
	t.Run("connections of an address", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.MaxConnectionsPerAddr = 2 })
		w.login()
		second := w.login()
		if line := w.dial().line(); line != "* BYE [UNAVAILABLE] Too many connections" {
			t.Error(line)
		}
		must(t, second.conn.Close())
		eventually(t, func() bool { return w.server.Metrics().Connections == 1 })
		w.login()
		if m := w.server.Metrics(); m.TurnedAway != 1 || m.Logins != 3 {
			t.Errorf("%+v", m)
		}
	})
	t.Run("login takes too long", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.LoginTimeout = 20 * time.Millisecond })
		c := w.dial()
		c.until("* BYE Too slow")
		c.until("(hangs up)")
	})
	t.Run("silence", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.IdleTimeout = 20 * time.Millisecond })
		c := w.dial()
		c.send("a LOGIN ann@example.com secret\r\n")
		c.until("* BYE Silent for too long")
		c.until("(hangs up)")
	})
	t.Run("half a command", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.CommandTimeout = 20 * time.Millisecond })
		c := w.login()
		c.send("a APPEND INBOX {100+}\r\nhalf")
		c.until("(hangs up)")
		if info, _ := w.store.Status(t.Context(), ann, "INBOX"); info.Messages != 0 {
			t.Error("half a message was kept")
		}
	})
	t.Run("a line without end", func(t *testing.T) {
		w := newWorld(t)
		c := w.login()
		c.send(strings.Repeat("x", 60<<10))
		c.until("* BAD Line too long")
		c.until("(hangs up)")
	})
	t.Run("literals without end", func(t *testing.T) {
		w := newWorld(t)
		c := w.login()
		c.send("a SEARCH TEXT {4000+}\r\n")
		for range 11 {
			c.send(strings.Repeat("x", 4000) + " TEXT {4000+}\r\n")
		}
		c.until("a BAD Command too long")
		c.until("(hangs up)")
	})
	t.Run("commands", func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.CommandsPerSecond = 1000 })
		c := w.login()
		c.send(strings.Repeat("a NOOP\r\n", 1500))
		for range 1500 {
			c.until("a OK")
		}
	})
}

// A login that is taken away ends at the next command, or change.
func TestLoginTakenAway(t *testing.T) {
	w := newWorld(t)
	a, b := w.login(), w.login()
	b.do("s SELECT INBOX")
	b.send("b IDLE\r\n")
	b.until("+ ")
	w.logins.invalid.Store(true)
	a.send("a NOOP\r\n")
	a.until("* BYE Log in again")
	w.put("INBOX", letter)
	b.until("* BYE Log in again")
	b.until("(hangs up)")
}

// A folder that is deleted under its client takes the connection along.
func TestFolderDeleted(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.login(), w.login(), w.login()
	a.do("a SELECT Archive")
	b.do("b SELECT Archive")
	b.send("b IDLE\r\n")
	b.until("+ ")
	c.do("c DELETE Archive")
	b.until("* BYE The selected folder is gone")
	a.send("a NOOP\r\n")
	a.until("* BYE The selected folder is gone")
	must(t, w.store.Remove(t.Context(), ann))
	if line := c.try("c LIST \"\" *"); !strings.Contains(line[0], "NO [UNAVAILABLE]") {
		t.Error(line)
	}
}

// Shutdown says farewell to those who wait, and lets a command end.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	stranger, idle, silent := w.dial(), w.login(), w.login()
	idle.send("b IDLE\r\n")
	idle.until("+ ")
	done := make(chan error, 1)
	go func() { done <- w.server.Shutdown(t.Context()) }()
	for _, c := range []*wire{stranger, idle, silent} {
		c.until("* BYE Server ends")
		c.until("(hangs up)")
	}
	must(t, <-done)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if err := w.server.Serve(ln); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// A panic ends its connection alone.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	a, b := w.login(), w.login()
	a.do("a SELECT INBOX")
	w.logins.panics.Store(true)
	a.send("a NOOP\r\n")
	a.until("(hangs up)")
	w.logins.panics.Store(false)
	b.do("b NOOP")
	eventually(t, func() bool { return w.server.Metrics().Connections == 1 })
}

// What a hostile message can cost is bounded, and so is the answer.
func TestBombs(t *testing.T) {
	nested := strings.Builder{}
	for i := range 3000 {
		fmt.Fprintf(&nested, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	messages := strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 3000)
	wide := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 100_000)
	alike := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--bx\r\n", 100_000)
	header := "From: " + strings.Repeat("a@b.c, ", 100_000) + "\r\nTo: " + strings.Repeat("(", 100_000) + "\r\n\r\n"
	params := "Content-Type: text/plain" + strings.Repeat("; a=\"b", 50_000) + "\r\n\r\n"
	w := newWorld(t)
	for _, m := range []string{nested.String(), messages, wide, alike, header, params, strings.Repeat("X: y\r\n", 50_000)} {
		w.put("INBOX", m)
	}
	c := w.login()
	c.do("s SELECT INBOX")
	for n := 1; n <= 7; n++ {
		lines := c.do(fmt.Sprintf("a FETCH %d (ENVELOPE BODYSTRUCTURE BODY.PEEK[1.1.1.1.MIME] BINARY.SIZE[1])", n))
		if size := len(strings.Join(lines, "")); size > 1<<20 {
			t.Errorf("message %d: %d octets", n, size)
		}
	}
	c.do("a SEARCH TEXT nothing")
}

// A message of the store is cut into header and body where we cut it.
func TestHeaderIsTheStores(t *testing.T) {
	w := newWorld(t)
	for _, m := range []string{letter, "no header", "a: b\n\nbare\n", "a: b\r\n", "\r\nbody", "\n", "a: b\n\r\nx", "a: b\r\n\r\n", "x\r\ny\r\n\r\nz"} {
		w.put("Archive", m)
	}
	f, err := w.store.OpenFolder(t.Context(), ann, "Archive")
	must(t, err)
	defer f.Close()
	for _, uid := range f.UIDs() {
		header, err := f.Header(t.Context(), uid)
		must(t, err)
		content, err := f.Content(t.Context(), uid)
		must(t, err)
		if p := parseMessage(content); string(p.header) != string(header) || string(p.all()) != string(content) {
			t.Errorf("%q: header is %q, the store's %q", content, p.header, header)
		}
	}
}

// A large message comes back octet by octet, at once, in pieces, and as text alone.
func TestLargeMessage(t *testing.T) {
	w := newWorld(t)
	header := "Subject: large\r\n\r\n"
	text := strings.Repeat("0123456789abcdef\r\n", 60_000) + "the end"
	w.put("INBOX", header+text)
	c := w.login()
	c.do("s SELECT INBOX")
	fetch := func(item string) string {
		t.Helper()
		c.send("a UID FETCH 1 " + item + "\r\n")
		response, err := readResponse(c.in)
		must(t, err)
		c.until("a OK")
		_, octets, _ := strings.Cut(string(response), "}\r\n")
		return strings.TrimSuffix(octets, ")\r\n")
	}
	if got := fetch("BODY.PEEK[]"); got != header+text {
		t.Errorf("%d octets, want %d", len(got), len(header+text))
	}
	if got := fetch("BODY.PEEK[TEXT]"); got != text {
		t.Errorf("%d octets of text, want %d", len(got), len(text))
	}
	var pieces strings.Builder
	for offset := 0; offset < len(text)+100; offset += 100_000 {
		pieces.WriteString(fetch(fmt.Sprintf("BODY.PEEK[TEXT]<%d.100000>", offset)))
	}
	if pieces.String() != text {
		t.Errorf("%d octets in pieces, want %d", pieces.Len(), len(text))
	}
}

// A client that does not read cannot hold up the end of the server.
func TestShutdownCutsOff(t *testing.T) {
	w := newWorld(t)
	w.put("INBOX", "Subject: large\r\n\r\n"+strings.Repeat("x", 20<<20))
	c := w.login()
	c.do("s SELECT INBOX")
	c.send("a FETCH 1 BODY.PEEK[]\r\n")
	c.line()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
