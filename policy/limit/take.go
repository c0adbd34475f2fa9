package limit

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
)

// part is one rule's part in an event.
type part struct {
	rule *rule
	key  key
	cell cell // as it will be
}

// Take uses up n of a unit, for all subjects that take part, under every rule that holds for them; or
// nothing at all, and returns a *Refusal. n is at least 1. Connections are for Connect.
func (l *Limiter) Take(who Who, unit Unit, n int64) error {
	var room [roomFor]part
	parts, locks := l.gather(room[:0], &who, unit)
	return l.take(parts, locks, &who, unit, n)
}

// roomFor is how many rules an event can meet without memory being allocated.
const roomFor = 8

func (l *Limiter) take(parts []part, locks uint64, who *Who, unit Unit, n int64) error {
	if len(parts) == 0 {
		return nil
	}
	t := l.instant()
	l.lock(locks)
	var refused *rule
	var longest int64
	for i := range parts {
		p := &parts[i]
		p.cell = l.cellOf(l.shard(p.key), who, p, t)
		if wait := p.use(n, t); wait > 0 && (refused == nil || wait > longest) {
			refused, longest = p.rule, wait
		}
	}
	if refused == nil {
		for i := range parts {
			p := &parts[i]
			l.put(l.shard(p.key), who, p, t)
		}
	}
	l.unlock(locks)
	if refused != nil {
		l.refused[refused.Subject].Add(1)
		return l.refusal(refused, who, n, longest)
	}
	l.taken[unit].Add(n)
	return nil
}

// use changes the part's cell as if n were taken, and returns 0; or how many ns from now they can be.
func (p *part) use(n int64, t instant) (wait int64) {
	r, c := p.rule, &p.cell
	switch r.Kind {
	case Rate:
		if n > r.Burst {
			return r.tolerance
		}
		due := max(c.n, t.ns) + n*r.interval
		if over := due - t.ns - r.tolerance; over > 0 {
			return over
		}
		c.n = due
	case Quota:
		if c.n+n > r.Amount {
			return t.dayLeft
		}
		c.n += n
	default:
		if c.n+n > r.Amount {
			return 1 // when it ends nobody knows
		}
		c.n += n
	}
	return 0
}

// gather appends the parts of all rules that hold. Bit i of locks stands for shard i.
func (l *Limiter) gather(parts []part, who *Who, unit Unit) (_ []part, locks uint64) {
	set := l.rules.Load()
	for s := range numSubjects {
		rules := set.everybody[s][unit]
		own := set.one[s]
		brought := s == Credential && who.Own != nil
		if len(rules) == 0 && len(own) == 0 && !brought {
			continue
		}
		hash, ok := l.hash(who, s)
		if !ok {
			continue
		}
		if len(own) > 0 {
			if lists := own[who.name(s)]; lists != nil {
				rules = lists[unit]
			}
		}
		var room [roomFor]*rule
		if brought {
			rules = who.Own.over(room[:0], rules, unit)
		}
		for _, r := range rules {
			parts = append(parts, part{rule: r, key: key{who: hash, alike: r.alike}})
			locks |= 1 << shardOf(key{who: hash})
		}
	}
	return parts, locks
}

// hash returns the subject's part of a key; not ok if it does not take part.
func (l *Limiter) hash(who *Who, s Subject) (hash uint64, ok bool) {
	if s == Client {
		if !who.Client.IsValid() {
			return 0, false
		}
		return l.hashClient(site(who.Client)), true
	}
	name := who.name(s)
	return maphash.String(l.seed, name), name != ""
}

func (l *Limiter) hashClient(p netip.Prefix) uint64 {
	b := p.Addr().As16()
	return maphash.Bytes(l.seed, b[:])
}

// shardOf has all counts of a subject in one shard: an event locks one for each of its subjects.
func shardOf(k key) uint { return uint(k.who % shards) }

func (l *Limiter) shard(k key) *shard { return &l.shards[shardOf(k)] }

// lock locks the shards in their order, so that two events cannot wait for each other.
func (l *Limiter) lock(locks uint64) {
	for m := locks; m != 0; m &= m - 1 {
		l.shards[bits.TrailingZeros64(m)].mu.Lock()
	}
}

func (l *Limiter) unlock(locks uint64) {
	for m := locks; m != 0; m &= m - 1 {
		l.shards[bits.TrailingZeros64(m)].mu.Unlock()
	}
}
