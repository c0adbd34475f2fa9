package relay

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// A suspension outlives a restart as a memo in the queue, so that a backlog for a site that is down does not set out
// for it again with every start. It is true for ten minutes at most, and nothing depends on it: one that
// is lost is found out again with one attempt.

// suspensionMemo is what is kept of a suspension.
type suspensionMemo struct {
	Until time.Time     // by the queue's clock
	Pause time.Duration // how long it was to last
	// Failures, Reason, Host and Addr are what the mail is told that becomes due meanwhile.
	Failures int
	Reason   message.Status
	Host     string
	Addr     netip.AddrPort
}

// left is how long the suspension lasts from now on. If that is longer than it was to last from its beginning, the
// clock has been set back, and nobody knows when that was.
func (m *suspensionMemo) left(now time.Time) time.Duration {
	if left := m.Until.Sub(now); left <= m.Pause {
		return left
	}
	return 0
}

// memo names the lane in the queue. It has all that makes a lane: one whose limits or source are others after
// a restart, because somebody has mended the configuration, is not suspended.
func (k laneKey) memo() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", k))
	return fmt.Sprintf("suspension %x", sum[:16])
}

// memorize keeps the suspension that has just begun.
//
// REQUIRES l.mu.
func (l *lane) memorize(pause time.Duration) {
	if l.relay.delivering.Err() != nil {
		return // the attempt was cut short by ourselves, and says nothing of the site
	}
	if l.reason.Permanent() || l.key.local {
		l.unmemorize() // mail bounces by it: after a restart the site itself shall say so; and mailboxes are opened anew
		return
	}
	value, err := json.Marshal(suspensionMemo{
		Until: l.relay.queue.Now().Add(pause), Pause: pause, Failures: l.failures,
		Reason: l.reason, Host: l.reasonFacts.host, Addr: l.reasonFacts.addr,
	})
	if l.memo == "" {
		l.memo = l.key.memo()
	}
	if err != nil || l.relay.queue.SetMemo(l.memo, value) != nil {
		l.unmemorize() // an older one would be wrong; without one, see above
	}
}

// unmemorize is called when the suspension has ended or is of no more interest.
//
// REQUIRES l.mu.
func (l *lane) unmemorize() {
	if l.memo != "" {
		l.relay.queue.DropMemo(l.memo)
		l.memo = ""
	}
}

// remembered are the suspensions of the run before whose lanes have not been needed yet, by memo.
type remembered map[string]suspensionMemo

// remember reads what the run before has left, and drops what is no longer true.
func remember(q *queue.Queue) remembered {
	all := remembered{}
	for name, value := range q.Memos() {
		var m suspensionMemo
		if json.Unmarshal(value, &m) != nil {
			q.DropMemo(name)
			continue
		}
		all[name] = m
	}
	all.expire(q)
	return all
}

// expire drops those whose time has passed.
func (r remembered) expire(q *queue.Queue) {
	now := q.Now()
	for name, m := range r {
		if m.left(now) <= 0 {
			delete(r, name)
			q.DropMemo(name)
		}
	}
}

// recall suspends a new lane as it was in the run before.
//
// REQUIRES t.mu and l.mu.
func (t *laneTable) recall(l *lane) {
	if len(t.remembered) == 0 {
		return
	}
	name := l.key.memo()
	m, ok := t.remembered[name]
	if !ok {
		return
	}
	delete(t.remembered, name)
	l.memo = name
	l.suspendedUntil = time.Now().Add(m.left(t.relay.queue.Now()))
	l.failures, l.reason = m.Failures, m.Reason
	c := connector{source: l.key.source, route: l.route, domain: l.route.Domain}
	l.reasonFacts = c.facts()
	l.reasonFacts.host, l.reasonFacts.addr = m.Host, m.Addr
}

// forgetRemembered is called when an operator wants mail tried now.
//
// REQUIRES t.mu.
func (t *laneTable) forgetRemembered() {
	for name := range t.remembered {
		t.relay.queue.DropMemo(name)
	}
	clear(t.remembered)
}
