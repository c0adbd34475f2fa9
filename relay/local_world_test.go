package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/address"
)

// testMailboxes is a store in memory that fails when it is told to.
type testMailboxes struct {
	mu       sync.Mutex
	accounts map[string]*testAccount
	fail     error         // of all deliveries
	takes    time.Duration // a delivery
	hang     chan struct{} // deliveries wait until it is closed; nil: they do not
	calls    int
}

type testAccount struct {
	quota, bytes int64
	keys         map[string]bool
	messages     []string
}

func newTestMailboxes(accounts ...string) *testMailboxes {
	m := &testMailboxes{accounts: map[string]*testAccount{}}
	for _, a := range accounts {
		m.add(a, 0)
	}
	return m
}

func (m *testMailboxes) add(account string, quota int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.accounts[account] = &testAccount{quota: quota, keys: map[string]bool{}}
}

func (m *testMailboxes) remove(account string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accounts, account)
}

func (m *testMailboxes) Has(account string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accounts[account] != nil
}

func (m *testMailboxes) Room(account string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.room(account, size)
}

func (m *testMailboxes) room(account string, size int64) error {
	a := m.accounts[account]
	switch {
	case a == nil:
		return mailbox.ErrNoAccount
	case a.quota > 0 && a.bytes+size > a.quota:
		return mailbox.ErrOverQuota
	}
	return nil
}

func (m *testMailboxes) Deliver(_ context.Context, d mailbox.Delivery) ([]error, error) {
	m.mu.Lock()
	m.calls++
	hang, takes := m.hang, m.takes
	m.mu.Unlock()
	if hang != nil {
		<-hang
	}
	time.Sleep(takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	errs := make([]error, len(d.Copies))
	for i, c := range d.Copies {
		a, key := m.accounts[c.Account], d.ID+" "+c.Key
		if a != nil && a.keys[key] {
			continue
		}
		whole := string(c.Header) + string(d.Content)
		if errs[i] = m.room(c.Account, int64(len(whole))); errs[i] == nil {
			a.keys[key] = true
			a.bytes += int64(len(whole))
			a.messages = append(a.messages, whole)
		}
	}
	return errs, nil
}

// deliveries returns how often the store was asked.
func (m *testMailboxes) deliveries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// has returns what is in a mailbox.
func (m *testMailboxes) has(account string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts[account] == nil {
		return nil
	}
	return append([]string(nil), m.accounts[account].messages...)
}

// local sets who has a mailbox here:
//
//	domain DOMAIN, account ADDRESS [QUOTA], gone ADDRESS, alias ADDRESS -> ADDRESS,ADDRESS, postmaster ADDRESS
func (s *story) local(lines []string) {
	if s.mailboxes == nil {
		s.mailboxes = newTestMailboxes()
	}
	for _, line := range lines {
		words := strings.Fields(line)
		switch words[0] {
		case "domain":
			s.addresses.Domains = append(s.addresses.Domains, words[1])
		case "account":
			var quota int64
			if len(words) > 2 {
				quota, _ = strconv.ParseInt(words[2], 10, 64)
			}
			s.mailboxes.add(words[1], quota)
		case "gone":
			s.mailboxes.remove(words[1])
		case "alias":
			s.addresses.Aliases = append(s.addresses.Aliases, address.Alias{Address: words[1], To: strings.Split(words[3], ",")})
		case "postmaster":
			s.addresses.Postmaster = words[1]
		default:
			s.t.Fatalf("%q in %q", words[0], line)
		}
	}
	s.addresses.Tag = "+"
	book, err := address.New(s.addresses)
	if err != nil {
		s.t.Fatal(err)
	}
	s.policy.Local = &Local{Addresses: book, Mailboxes: s.mailboxes}
	s.relay.SetPolicy(s.shaped())
}

// store sets what the mailboxes do from now on: works, fails, hangs, or takes DURATION.
func (s *story) store(words []string) {
	m := s.mailboxes
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hang != nil {
		close(m.hang)
	}
	m.fail, m.takes, m.hang = nil, 0, nil
	switch words[0] {
	case "fails":
		m.fail = errors.New("the disk is full of holes")
	case "hangs":
		m.hang = make(chan struct{})
	case "takes":
		m.takes, _ = time.ParseDuration(words[1])
	}
}

// mailbox tells what is in one: each message's fields that delivery has added, and its content if that is asked for.
func (s *story) mailbox(account string, content bool) string {
	var out strings.Builder
	for i, m := range s.mailboxes.has(account) {
		fmt.Fprintf(&out, "message %d\n", i+1)
		for id, n := range s.numbers {
			m = strings.ReplaceAll(m, id.String(), fmt.Sprintf("ID%d", n))
		}
		lines := strings.Split(strings.TrimSuffix(m, "\r\n"), "\r\n")
		if !content {
			lines = lines[:2]
		}
		for _, l := range lines {
			out.WriteString(strings.TrimRight("| "+l, " ") + "\n")
		}
	}
	return out.String()
}
