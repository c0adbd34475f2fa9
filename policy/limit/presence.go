package limit

// Presence is a connection that is open. It is for one goroutine.
type Presence struct {
	limiter *Limiter
	counted []key
}

// Connect counts a connection, for what is known of its client; or refuses it with 421. Leave must
// follow when it ends.
func (l *Limiter) Connect(who Who) (*Presence, error) {
	p := &Presence{limiter: l}
	if err := p.Join(who); err != nil {
		return nil, err
	}
	return p, nil
}

// Join counts the connection for subjects that have become known since, as by a login; or refuses,
// and it stays counted as before. Name no subject twice.
func (p *Presence) Join(who Who) error {
	var room [roomFor]part
	parts, locks := p.limiter.gather(room[:0], &who, Connections)
	if err := p.limiter.take(parts, locks, &who, Connections, 1); err != nil {
		return err
	}
	for i := range parts {
		if parts[i].rule.Kind == Concurrent {
			p.counted = append(p.counted, parts[i].key)
		}
	}
	return nil
}

// Leave ends it. More than once does no harm, neither does it on nil.
func (p *Presence) Leave() {
	if p == nil {
		return
	}
	for _, k := range p.counted {
		s := p.limiter.shard(k)
		s.mu.Lock()
		c := s.cells[k]
		if c.n--; c.n > 0 {
			s.cells[k] = c
		} else {
			delete(s.cells, k)
		}
		s.mu.Unlock()
	}
	p.counted = nil
}
