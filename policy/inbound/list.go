package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// List is a list of addresses in the DNS (RFC 5782), such as of hosts that send spam.
type List struct {
	// Zone is the domain of the list.
	Zone string
	// Codes say what the answers mean; the first that fits counts, and answers without one are ignored. Empty: every
	// answer in 127.0.0.0/8 is a hit but 127.0.0.1 and those in 127.255.255.0/24, by which lists tell that
	// they do not want to be asked in this way.
	Codes []ListCode
	// Action follows from a hit. ActionDefault: what Actions.Listed says.
	Action Action
	// Timeout is how long the list may take. 0: 5 s.
	Timeout time.Duration
}

// ListCode is the meaning of some answers of a list.
type ListCode struct {
	Net    netip.Prefix // such as 127.0.0.10/31
	Name   string       // such as "PBL"; "": the address itself
	Ignore bool         // the answer is no hit
	Action Action       // for these answers; ActionDefault: that of the list
}

// ListResult is what a list says of an address.
type ListResult struct {
	Zone string
	// Names are the meanings of the answers; empty if the address is not listed.
	Names  []string
	Action Action // of the strictest answer; ActionDefault when nothing was said
	// Err is why nothing is known. That is never a hit.
	Err error
}

// Listed tells whether the address is on the list.
func (r ListResult) Listed() bool { return len(r.Names) > 0 }

const (
	defaultListTimeout = 5 * time.Second
	// deadAfter failures in a row a list is left alone for deadFor: else each new client would wait for it anew.
	deadAfter = 3
	deadFor   = time.Minute
)

var (
	errListDead = errors.New("not asked, since it did not answer lately")
	// errListsAll: a list that was given up often answers with everything (RFC 5782 5).
	errListsAll = errors.New("it lists 127.0.0.1, and with that probably everybody")
	localNet    = netip.MustParsePrefix("127.0.0.0/8")
	refusals    = netip.MustParsePrefix("127.255.255.0/24")
	notListed   = netip.MustParseAddr("127.0.0.1")
)

// list is a List with what is remembered of it.
type list struct {
	List
	resolver Resolver
	now      func() time.Time

	mu        sync.Mutex
	failures  int // in a row
	deadUntil time.Time
}

func newList(l List, cfg *Config) (*list, error) {
	zone, err := message.ParseDomain(strings.TrimSuffix(l.Zone, "."), false)
	if err != nil {
		return nil, fmt.Errorf("inbound: list %q: %w", l.Zone, err)
	}
	for _, c := range l.Codes {
		if !c.Net.IsValid() || !c.Net.Addr().Is4() || !localNet.Overlaps(c.Net) {
			return nil, fmt.Errorf("inbound: list %s: answers %v are not in %v", zone, c.Net, localNet)
		}
	}
	l.Zone = zone
	if l.Timeout <= 0 {
		l.Timeout = defaultListTimeout
	}
	if l.Action == ActionDefault {
		l.Action = cfg.Actions.Listed
	}
	return &list{List: l, resolver: cfg.Resolver, now: cfg.Now}, nil
}

// ask returns what the list says of addr. Addresses that are not public are on no list.
func (l *list) ask(ctx context.Context, addr netip.Addr) ListResult {
	res := ListResult{Zone: l.Zone}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return res
	}
	if l.isDead() {
		res.Err = errListDead
		return res
	}
	p := withPatience(ctx, l.Timeout)
	defer p.end()
	answers, err := l.lookup(p, addr)
	if err == nil {
		l.read(answers, &res)
	}
	if err == nil && res.Listed() {
		err = l.test(p, addr)
	}
	l.note(err)
	if err != nil {
		return ListResult{Zone: l.Zone, Err: err}
	}
	return res
}

func (l *list) lookup(ctx context.Context, addr netip.Addr) ([]netip.Addr, error) {
	answers, err := l.resolver.LookupListed(ctx, reverseName(addr)+l.Zone)
	if err != nil && isMissing(err) {
		return nil, nil
	}
	return answers, err
}

// read takes up what the answers mean.
func (l *list) read(answers []netip.Addr, res *ListResult) {
	for _, a := range answers {
		code, ok := l.meaning(a)
		if !ok {
			continue
		}
		name := code.Name
		if name == "" {
			name = a.String()
		}
		action := code.Action
		if action == ActionDefault {
			action = l.Action
		}
		res.Names = append(res.Names, name)
		res.Action = max(res.Action, action)
	}
}

func (l *list) meaning(a netip.Addr) (ListCode, bool) {
	if !localNet.Contains(a) { // the zone is somebody else's now
		return ListCode{}, false
	}
	for _, c := range l.Codes {
		if c.Net.Contains(a) {
			return c, !c.Ignore
		}
	}
	return ListCode{}, len(l.Codes) == 0 && a != notListed && !refusals.Contains(a)
}

// test makes sure that the list does not list everything: 127.0.0.1 must not be on it, for IPv6 in its
// mapped form (RFC 5782 5). The resolver remembers the answer.
func (l *list) test(ctx context.Context, addr netip.Addr) error {
	probe := notListed
	if addr.Is6() {
		probe = netip.AddrFrom16(notListed.As16())
	}
	answers, err := l.lookup(ctx, probe)
	if err == nil && len(answers) > 0 {
		err = errListsAll
	}
	return err
}

func (l *list) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failures >= deadAfter && l.now().Before(l.deadUntil)
}

// note keeps in mind whether the list works.
func (l *list) note(err error) {
	if errors.Is(err, context.Canceled) { // the client is gone; that says nothing of the list
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.failures = 0
		return
	}
	if l.failures++; l.failures >= deadAfter {
		l.deadUntil = l.now().Add(deadFor)
	}
}

// reverseName returns addr as lists have it: octets or nibbles from the last to the first, each with a dot.
func reverseName(addr netip.Addr) string {
	raw := addr.AsSlice()
	b := make([]byte, 0, 4*len(raw)+4)
	for i := len(raw) - 1; i >= 0; i-- {
		if addr.Is4() {
			b = append(strconv.AppendUint(b, uint64(raw[i]), 10), '.')
		} else {
			const digits = "0123456789abcdef"
			b = append(b, digits[raw[i]&15], '.', digits[raw[i]>>4], '.')
		}
	}
	return string(b)
}
