package limit

// Metrics is what a Limiter has done and holds.
type Metrics struct {
	// Taken is how many of each Unit have passed.
	Taken [numUnits]int64
	// Refused is how many events each Subject has had refused.
	Refused [numSubjects]int64
	// Counts is how many are remembered, at most Options.Subjects.
	Counts int64
	// EvictedFree and EvictedOwing count those forgotten for want of room: without harm, and before
	// their time. More than a few of the latter: raise Options.Subjects.
	EvictedFree, EvictedOwing int64
	// QuotasSaved and SaveErrors count writes to the store.
	QuotasSaved, SaveErrors int64
}

// Metrics returns the figures of now.
func (l *Limiter) Metrics() Metrics {
	m := Metrics{
		EvictedFree: l.evictedFree.Load(), EvictedOwing: l.evictedOwing.Load(),
		QuotasSaved: l.saved.Load(), SaveErrors: l.saveErrors.Load(),
	}
	for i := range m.Taken {
		m.Taken[i] = l.taken[i].Load()
	}
	for i := range m.Refused {
		m.Refused[i] = l.refused[i].Load()
	}
	for i := range l.shards {
		l.shards[i].mu.Lock()
		m.Counts += int64(len(l.shards[i].cells))
		l.shards[i].mu.Unlock()
	}
	return m
}
