package imap

import (
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

// criteria are what messages are searched for. All must hold.
type criteria struct {
	sets     []spans // message numbers and UIDs, as places
	with     []goimap.Flag
	without  []goimap.Flag
	larger   int64
	modSeq   uint64
	since    time.Time
	before   time.Time
	sent     bool // one of the next two is set
	sentFrom time.Time
	sentTo   time.Time
	headers  []headerKey
	body     []string // folded, as all texts that are searched for
	text     []string
	not      []*criteria
	or       [][2]*criteria
	cost     cost
}

type headerKey struct{ name, value string }

// cost is what has to be read to decide: what is cheap is looked at first.
type cost int

const (
	costIndex cost = iota
	costHeader
	costBody
)

// compile prepares the library's criteria for many messages.
func (v *view) compile(in *goimap.SearchCriteria) (*criteria, error) {
	c := &criteria{with: in.Flag, without: in.NotFlag, larger: in.Larger, since: in.Since, before: in.Before,
		sentFrom: in.SentSince, sentTo: in.SentBefore}
	for _, set := range in.SeqNum {
		s, err := v.places(set, false)
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, s)
	}
	for _, set := range in.UID {
		s, err := v.places(set, false)
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, s)
	}
	if c.sent = !in.SentSince.IsZero() || !in.SentBefore.IsZero(); c.sent {
		c.cost = costHeader
	}
	for _, h := range in.Header {
		if h.Key == modSeqKey {
			n, _ := parseModSeq(h.Value)
			c.modSeq = max(c.modSeq, n)
			continue
		}
		c.headers = append(c.headers, headerKey{h.Key, fold(h.Value)})
	}
	if len(c.headers) > 0 {
		c.cost = costHeader
	}
	c.body, c.text = foldAll(in.Body), foldAll(in.Text)
	if len(c.body)+len(c.text) > 0 {
		c.cost = costBody
	}
	return c, v.compileInner(c, in)
}

func (v *view) compileInner(c *criteria, in *goimap.SearchCriteria) error {
	for i := range in.Not {
		n, err := v.compile(&in.Not[i])
		if err != nil {
			return err
		}
		c.not = append(c.not, n)
		c.cost = max(c.cost, n.cost)
	}
	for i := range in.Or {
		var pair [2]*criteria
		for j := range pair {
			n, err := v.compile(&in.Or[i][j])
			if err != nil {
				return err
			}
			pair[j] = n
			c.cost = max(c.cost, n.cost)
		}
		if pair[0].cost > pair[1].cost {
			pair[0], pair[1] = pair[1], pair[0]
		}
		c.or = append(c.or, pair)
	}
	return nil
}

func foldAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fold(s)
	}
	return out
}

// match tells whether a message matches. It reads no more than it must.
func (c *criteria) match(e *entry) (bool, error) {
	if !c.matchIndex(e) {
		return false, nil
	}
	for level := costIndex; level <= c.cost; level++ {
		switch level {
		case costHeader:
			if ok, err := c.matchHeader(e); !ok || err != nil {
				return false, err
			}
		case costBody:
			if ok, err := c.matchBody(e); !ok || err != nil {
				return false, err
			}
		}
		if ok, err := c.matchInner(e, level); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// matchInner looks at the criteria in this one that cost as much.
func (c *criteria) matchInner(e *entry, level cost) (bool, error) {
	for _, n := range c.not {
		if n.cost != level {
			continue
		}
		if ok, err := n.match(e); ok || err != nil {
			return false, err
		}
	}
	for _, pair := range c.or {
		if pair[1].cost != level {
			continue
		}
		ok, err := pair[0].match(e)
		if err == nil && !ok {
			ok, err = pair[1].match(e)
		}
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (c *criteria) matchIndex(e *entry) bool {
	for _, s := range c.sets {
		if !s.has(e.place) {
			return false
		}
	}
	for _, f := range c.with {
		if !hasFlag(e.m.Flags, f) {
			return false
		}
	}
	for _, f := range c.without {
		if hasFlag(e.m.Flags, f) {
			return false
		}
	}
	if e.m.ModSeq < c.modSeq {
		return false
	}
	if c.larger > 0 && e.m.Size <= c.larger {
		return false
	}
	return within(e.m.Received.UTC(), c.since, c.before)
}

// within compares dates as they are written, whatever the zone (RFC 9051 6.4.4.4).
func within(t, since, before time.Time) bool {
	if since.IsZero() && before.IsZero() {
		return true
	}
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

func (c *criteria) matchHeader(e *entry) (bool, error) {
	if !c.sent && len(c.headers) == 0 {
		return true, nil
	}
	header, err := e.header()
	if err != nil || header == nil {
		return false, err
	}
	if c.sent {
		t, ok := dateOf(header)
		if !ok || !within(t, c.sentFrom, c.sentTo) {
			return false, nil
		}
	}
	for _, h := range c.headers {
		if !h.in(header) {
			return false, nil
		}
	}
	return true, nil
}

// in tells whether a header has such a field with such a text in it, which may be empty.
func (h headerKey) in(header []byte) bool {
	for name, field := range fields(header) {
		if !strings.EqualFold(name, h.name) {
			continue
		}
		value := unfold(field)
		if h.value == "" || strings.Contains(fold(decodeWords(value)), h.value) || h.inAddresses(value) {
			return true
		}
	}
	return false
}

// inAddresses looks into the addresses of a field without the comments and blanks that may stand in them.
func (h headerKey) inAddresses(value string) bool {
	if !strings.Contains(value, "(") || !containsFold([]string{"From", "To", "Cc", "Bcc", "Sender", "Reply-To"}, h.name) {
		return false
	}
	for _, a := range parseAddresses(value) {
		if strings.Contains(fold(a.mailbox+"@"+a.host), h.value) {
			return true
		}
	}
	return false
}

func (c *criteria) matchBody(e *entry) (bool, error) {
	if len(c.body)+len(c.text) == 0 {
		return true, nil
	}
	p, err := e.message()
	if err != nil || p == nil {
		return false, err
	}
	for _, s := range c.body {
		if !p.containsText(s, false) {
			return false, nil
		}
	}
	for _, s := range c.text {
		if !p.containsText(s, true) {
			return false, nil
		}
	}
	return true, nil
}
