package pop3

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/posthaste-mta/posthaste/mailbox"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
)

const ann = "ann@a.test"

// openStore opens a store in memory, in which ann has a mailbox.
func openStore(t testing.TB, fs vfs.FS) *mailbox.Store {
	t.Helper()
	store, err := mailbox.Open(mailbox.Options{Dir: "mail", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if !store.Has(ann) {
		if err := store.Add(t.Context(), ann, 0); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// serveStore serves a store on a free port until the test ends.
func serveStore(t testing.TB, store *mailbox.Store) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Store = store
	cfg.Log = zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	s := New(cfg)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
	})
	return l.Addr().String()
}

// deliver puts a message into ann's INBOX, as the relay does.
func deliver(t testing.TB, store *mailbox.Store, id, content string) {
	t.Helper()
	errs, err := store.Deliver(context.Background(), mailbox.Delivery{ID: id, Content: []byte(content),
		Copies: []mailbox.Copy{{Account: ann, Key: ann, Header: []byte("Return-Path: <bob@b.test>\r\n")}}})
	if err != nil || errs[0] != nil {
		t.Error(err, errs)
	}
}

// popClient speaks to a server.
type popClient struct {
	*client
}

func dialPOP(t testing.TB, addr string) popClient {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second)) // only a failing test waits for it
	c := popClient{newClient(t, nc)}
	c.line()
	return c
}

func (c popClient) line() string {
	line, err := c.br.ReadString('\n')
	if err != nil {
		c.t.Error(err)
	}
	return line
}

// ask gives a command and returns the first line of the reply.
func (c popClient) ask(command string) string {
	if _, err := io.WriteString(c.nc, command+"\r\n"); err != nil {
		c.t.Error(err)
	}
	return c.line()
}

// list returns the lines of a reply up to the dot.
func (c popClient) list(command string) (first string, lines []string) {
	if first = c.ask(command); !strings.HasPrefix(first, "+OK") {
		return first, nil
	}
	for {
		line := c.line()
		if line == "" || line == ".\r\n" {
			return first, lines
		}
		lines = append(lines, strings.TrimPrefix(line, "."))
	}
}

// login reports false if another session has the maildrop.
func (c popClient) login() bool {
	c.ask("USER ann")
	answer := c.ask("PASS open sesame")
	if answer != replyInUse && !strings.HasPrefix(answer, "+OK") {
		c.t.Error(answer)
	}
	return answer != replyInUse
}

// Mail that is delivered is fetched as it was, with the header of its delivery; its unique ids stay over
// sessions, deletions and a restart of the store.
func TestStore(t *testing.T) {
	fs := vfs.NewMem()
	store := openStore(t, fs)
	large := strings.Repeat("x", pieceSize-60)
	for i := range 120 { // line ends and dots on both sides of where a piece ends
		large += "....."[:i%5] + "\r\n"
	}
	contents := []string{"Subject: a\r\n\r\n.\r\n", "Subject: large\r\n\r\n" + large, "Subject: b\r\n\r\nbody", "Subject: c\r\n\r\n\xff\r\n"}
	for i, content := range contents {
		deliver(t, store, fmt.Sprint(i), content)
	}
	c := dialPOP(t, serveStore(t, store))
	c.login()
	for i, content := range contents {
		want := "Return-Path: <bob@b.test>\r\n" + content
		first, lines := c.list(fmt.Sprintf("RETR %d", i+1))
		if got := strings.Join(lines, ""); got != arrived(want) || first != fmt.Sprintf("+OK %d octets\r\n", len(want)) {
			t.Errorf("%q %.300q, want %.300q", first, got, want)
		}
		_, lines = c.list(fmt.Sprintf("TOP %d 0", i+1))
		if got := strings.Join(lines, ""); got != want[:strings.Index(want, "\r\n\r\n")+4] {
			t.Errorf("top %q", got)
		}
	}
	_, ids := c.list("UIDL")
	c.ask("DELE 2")
	if answer := c.ask("QUIT"); answer != replyBye {
		t.Error(answer)
	}
	c.nc.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	store = openStore(t, fs)
	defer store.Close()
	deliver(t, store, "new", "Subject: d\r\n\r\n")
	c = dialPOP(t, serveStore(t, store))
	c.login()
	_, again := c.list("UIDL")
	id := func(line string) string { return strings.Fields(line)[1] }
	if len(again) != 4 || id(again[0]) != id(ids[0]) || id(again[1]) != id(ids[2]) || strings.Contains(strings.Join(ids, ""), id(again[3])) {
		t.Errorf("unique ids were %q, are %q", ids, again)
	}
	c.ask("QUIT")
	c.nc.Close()
}

// An account that is removed ends in errors, not in somebody else's mail.
func TestStoreAccountRemoved(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	deliver(t, store, "1", "Subject: a\r\n\r\n")
	c := dialPOP(t, serveStore(t, store))
	c.login()
	if err := store.Remove(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{"RETR 1": "-ERR", "TOP 1 0": "-ERR", "DELE 1": "+OK", "NOOP": "+OK"} {
		if answer := c.ask(command); !strings.HasPrefix(answer, want) {
			t.Errorf("%s: %s", command, answer)
		}
		c.ask("RSET")
	}
	c.ask("DELE 1")
	if answer := c.ask("QUIT"); answer != replyNotRemoved {
		t.Error(answer)
	}
	c.nc.Close()
	c = dialPOP(t, serveStore(t, store))
	c.ask("USER ann")
	if answer := c.ask("PASS open sesame"); answer != replyNoMailbox {
		t.Error(answer)
	}
	c.nc.Close()
}

// tally is what became of messages, by their content.
type tally struct {
	mu   sync.Mutex
	fate map[string][]string
	id   map[string]string // content by unique id
}

func (y *tally) note(fate string, content []byte) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.fate[string(content)] = append(y.fate[string(content)], fate)
}

// POP3 sessions, IMAP sessions and deliveries on one mailbox at once: each message has one end, and a unique id
// is that of one message for ever.
func TestStoreBesideOthers(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	addr := serveStore(t, store)
	y := &tally{fate: map[string][]string{}, id: map[string]string{}}
	const total = 120
	delivered := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(delivered)
		for i := range total {
			deliver(t, store, fmt.Sprint(i), fmt.Sprintf("Subject: %d\r\n\r\n", i))
		}
	})
	for worker := range 2 {
		wg.Go(func() { expungeSome(t, store, y, rand.New(rand.NewPCG(1, uint64(worker))), delivered) })
		wg.Go(func() { popSome(t, addr, y, rand.New(rand.NewPCG(2, uint64(worker))), delivered) })
	}
	wg.Wait()
	f, err := store.OpenFolder(t.Context(), ann, "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, uid := range f.UIDs() {
		content, err := f.Content(t.Context(), uid)
		if err != nil {
			t.Error(err)
		}
		y.note("left", content)
	}
	for content, fates := range y.fate {
		// QUIT cannot tell that the other one was first: both may think to have removed it.
		if len(fates) > 1 && !slices.Contains(fates, "popped") || slices.Contains(fates, "left") && len(fates) > 1 {
			t.Errorf("%q: %v", content, fates)
		}
	}
	if len(y.fate) != total {
		t.Errorf("%d messages have an end, want %d", len(y.fate), total)
	}
}

func over(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// expungeSome removes a message now and then, as an IMAP session does.
func expungeSome(t *testing.T, store *mailbox.Store, y *tally, r *rand.Rand, done chan struct{}) {
	f, err := store.OpenFolder(context.Background(), ann, "INBOX")
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for !over(done) {
		changed := f.Changed()
		if uids := f.UIDs(); len(uids) > 3 {
			uid := uids[r.IntN(len(uids))]
			content, err := f.Content(context.Background(), uid)
			if err != nil {
				continue // another was faster
			}
			gone, err := f.Expunge(context.Background(), []uint32{uid})
			if err != nil {
				t.Error(err)
			}
			if len(gone) == 1 {
				y.note("expunged", content)
			}
		}
		select {
		case <-changed:
		case <-done:
		}
	}
}

// popSome fetches what is there again and again, and removes some of it.
func popSome(t *testing.T, addr string, y *tally, r *rand.Rand, done chan struct{}) {
	for !over(done) {
		c := dialPOP(t, addr)
		if c.login() {
			popOnce(c, y, r)
		}
		c.nc.Close()
	}
}

func popOnce(c popClient, y *tally, r *rand.Rand) {
	_, ids := c.list("UIDL")
	var marked [][]byte
	for i, line := range ids {
		first, lines := c.list(fmt.Sprintf("RETR %d", i+1))
		if first == replyGone {
			continue
		}
		if !strings.HasPrefix(first, "+OK") {
			c.t.Errorf("RETR: %s", first)
		}
		content := strings.Join(lines, "")
		id := strings.Fields(line)[1]
		y.mu.Lock()
		if was, ok := y.id[id]; ok && was != content {
			c.t.Errorf("%s was %q, is %q", id, was, content)
		}
		y.id[id] = content
		y.mu.Unlock()
		if r.IntN(4) == 0 {
			c.ask(fmt.Sprintf("DELE %d", i+1))
			marked = append(marked, []byte(content))
		}
	}
	if r.IntN(3) == 0 {
		return // hangs up: nothing is removed
	}
	if answer := c.ask("QUIT"); answer != replyBye {
		c.t.Error(answer)
	}
	for _, content := range marked {
		y.note("popped", content)
	}
}
