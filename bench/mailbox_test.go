package bench

import (
	"bufio"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/mailbox"
)

func TestMailboxesAreFilled(t *testing.T) {
	dir := t.TempDir()
	m := Mailboxes{Users: 3, First: 5, Big: 40, Each: 7}
	if err := m.fill(t.Context(), dir, 2000, func(string, int64) bar { return bar{} }); err != nil {
		t.Fatal(err)
	}
	s, err := mailbox.Open(mailbox.Options{Dir: filepath.Join(dir, "mailbox")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, a := range list {
		got[a.Name] = a.Messages
	}
	want := map[string]int{"r0@d5.bench.test": 40, "r0@d6.bench.test": 7, "r0@d7.bench.test": 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTaggedRecipients(t *testing.T) {
	l := Load{Recipients: 1, Domains: 3, FirstDomain: 2, Tagged: true}
	if got := string(l.appendRecipient([]byte("TO:<r0."), 4, 0)); got != "TO:<r0.r0+4@d3.bench.test" {
		t.Error(got)
	}
}

// A mail program reads what a server says: literals, news in IDLE, and what it refuses.
func TestIMAPClient(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &imapClient{conn: near, r: bufio.NewReaderSize(near, 16), stop: func() bool { return true }}
	defer c.close()
	go func() {
		in := bufio.NewReader(far)
		for _, say := range []string{
			"* 3 EXISTS\r\n* FLAGS ()\r\na1 OK [READ-WRITE] done\r\n",
			"* 1 FETCH (BODY[] {12}\r\nA: b\r\n\r\nx{3} FLAGS ())\r\n* 2 FETCH (FLAGS () BODY[] {0}\r\n)\r\na2 OK\r\n",
			"+ idling\r\n* 4 EXISTS\r\n* OK still here\r\n* 6 EXISTS\r\n", "a3 OK\r\n", "a4 NO [EXPUNGEISSUED] gone\r\n",
		} {
			if _, err := in.ReadString('\n'); err != nil || ctx.Err() != nil {
				return
			}
			if _, err := far.Write([]byte(say)); err != nil {
				return
			}
		}
	}()
	n, err := c.selectInbox()
	if n != 3 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	var contents []string
	err = c.fetch(1, 2, func(content []byte) { contents = append(contents, string(content)) })
	if diff := cmp.Diff([]string{"A: b\r\n\r\nx{3}", ""}, contents); diff != "" || err != nil {
		t.Error(diff, err)
	}
	var news []int
	err = c.idle(func(n int) bool { news = append(news, n); return n < 6 })
	if diff := cmp.Diff([]int{4, 6}, news); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if err := c.command("FETCH 1 BODY[]", nil); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Error(err)
	}
}
