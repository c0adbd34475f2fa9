package world

import (
	"hash/maphash"
	"sync"
	"time"
)

// reply is an SMTP reply line without its CRLF.
type reply string

const (
	replyGreylisted reply = "451 4.7.1 Greylisted, please try again later"
	replyTempFail   reply = "451 4.3.0 Temporary failure, please try again later"
	replyFull       reply = "452 4.2.2 Mailbox full"
	replyNoUser     reply = "550 5.1.1 No such user here"
	replyRecipient  reply = "250 2.1.5 Ok"
)

// judge decides on one recipient by the site's manner.
func (s *site) judge(seed uint64, now time.Time, sender, rcpt string) reply {
	m := &s.Manner
	if m.Reject > 0 && below(m.Reject, seed, hashText(rcpt)) {
		return replyNoUser
	}
	if m.Full > 0 && below(m.Full, seed+1, hashText(rcpt)) {
		return replyFull
	}
	if m.TempFail > 0 && below(m.TempFail, seed+2, s.draws.Add(1)) {
		return replyTempFail
	}
	if m.Greylist > 0 && !s.grey.seenBefore(sender+"\x00"+rcpt, now, m.Greylist) {
		return replyGreylisted
	}
	return replyRecipient
}

// cut is where a flaky host ends a connection.
type cut uint8

const (
	cutNever cut = iota
	cutGreeting
	cutMail
	cutRecipient
	cutContent
	cutFinalReply // after the content, without having taken the message
	numCuts
)

func (s *site) drawCut(seed uint64) cut {
	if s.Manner.Drop <= 0 {
		return cutNever
	}
	n := s.visits.Add(1)
	if !below(s.Manner.Drop, seed+3, n) {
		return cutNever
	}
	return 1 + cut(mix(seed+4, n)%uint64(numCuts-1))
}

// below draws a number in [0,1) from seed and n and tells whether it is below fraction.
func below(fraction float64, seed, n uint64) bool {
	return float64(mix(seed, n)>>11)/(1<<53) < fraction
}

// mix is splitmix64: cheap, and the same on every machine, so that a seed repeats a run.
func mix(seed, n uint64) uint64 {
	z := seed*0xd1342543de82ef95 + n*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hashText is FNV-1a.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// greylistEntries bounds each of the two generations of a greylist.
const greylistEntries = 50_000

// greylist remembers when a sender and recipient were first seen. When full it forgets the
// oldest half, which only means that somebody waits twice.
type greylist struct {
	mu         sync.Mutex
	seed       maphash.Seed
	young, old map[uint64]time.Time
}

func (g *greylist) seenBefore(key string, now time.Time, wait time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.young == nil {
		g.seed = maphash.MakeSeed()
		g.young = map[uint64]time.Time{}
	}
	k := maphash.String(g.seed, key)
	first, ok := g.young[k]
	if !ok {
		first, ok = g.old[k]
	}
	if ok {
		return now.Sub(first) >= wait
	}
	if len(g.young) >= greylistEntries {
		g.old, g.young = g.young, map[uint64]time.Time{}
	}
	g.young[k] = now
	return false
}
