package queue

import (
	"sync"
	"time"
)

// SyncBuckets are the upper bounds of Metrics.Syncs, in seconds; the last bucket has none.
var SyncBuckets = [...]float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}

// commitStats counts what the committer does.
type commitStats struct {
	mu       sync.Mutex
	syncs    [len(SyncBuckets) + 1]int64
	seconds  float64
	batches  int64
	requests int64
	bytes    int64
}

func (s *commitStats) add(took time.Duration, requests, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := took.Seconds()
	i := 0
	for i < len(SyncBuckets) && t > SyncBuckets[i] {
		i++
	}
	s.syncs[i]++
	s.seconds += t
	s.batches++
	s.requests += int64(requests)
	s.bytes += int64(bytes)
}
