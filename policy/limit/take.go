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

// claim is all that one event takes.
type claim struct {
	who   *Who
	parts []part
	locks uint64 // bit i: shard i
}

// Take uses up n of a unit, for all subjects that take part, under every rule that holds for them; or
// nothing at all, and returns a *Refusal. n is at least 1. Connections are for Connect.
func (l *Limiter) Take(who Who, unit Unit, n int64) error {
	var room [12]part
	c := claim{who: &who, parts: room[:0]}
	return l.take(&c, unit, n)
}

func (l *Limiter) take(c *claim, unit Unit, n int64) error {
	l.gather(c, unit)
	if len(c.parts) == 0 {
		return nil
	}
	t := l.instant()
	l.lock(c)
	var refused *rule
	var longest int64
	for i := range c.parts {
		p := &c.parts[i]
		p.cell = l.cellOf(l.shard(p.key), c.who, p, t)
		if wait := p.use(n, t); wait > 0 && (refused == nil || wait > longest) {
			refused, longest = p.rule, wait
		}
	}
	if refused == nil {
		for i := range c.parts {
			p := &c.parts[i]
			l.put(l.shard(p.key), c.who, p, t)
		}
	}
	l.unlock(c)
	if refused != nil {
		l.refused[refused.Subject].Add(1)
		return l.refusal(refused, c.who, n, longest)
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

// gather finds the rules.
func (l *Limiter) gather(c *claim, unit Unit) {
	set, who := l.rules.Load(), c.who
	for s := range numSubjects {
		rules := set.everybody[s][unit]
		own := set.one[s]
		if len(rules) == 0 && len(own) == 0 {
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
		for _, r := range rules {
			c.parts = append(c.parts, part{rule: r, key: key{who: hash, alike: r.alike}})
			c.locks |= 1 << shardOf(key{who: hash})
		}
	}
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

// lock locks the shards in their order, so that two claims cannot wait for each other.
func (l *Limiter) lock(c *claim) {
	for m := c.locks; m != 0; m &= m - 1 {
		l.shards[bits.TrailingZeros64(m)].mu.Lock()
	}
}

func (l *Limiter) unlock(c *claim) {
	for m := c.locks; m != 0; m &= m - 1 {
		l.shards[bits.TrailingZeros64(m)].mu.Unlock()
	}
}
