package limit

// GiveBack returns to the quotas what an event has taken that came to nothing: they count mail, and
// there was none. Rates keep it: they bound what is asked of us, and that has been done. who must be as it was
// for Take. What has been forgotten since, or was of another day, is not returned.
func (l *Limiter) GiveBack(who Who, unit Unit, n int64) {
	if !l.rules.Load().quotas && who.Own == nil {
		return
	}
	var room [roomFor]part
	parts, locks := l.gather(room[:0], &who, unit)
	if len(parts) == 0 {
		return
	}
	t := l.instant()
	l.lock(locks)
	defer l.unlock(locks)
	for i := range parts {
		p := &parts[i]
		s := l.shard(p.key)
		if c, ok := s.cells[p.key]; ok && p.rule.Kind == Quota && c.day == t.day {
			c.n = max(c.n-n, 0)
			p.cell = c
			l.put(s, &who, p, t)
		}
	}
}
