package queue

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/posthaste-mta/posthaste/message"
)

// oldest remembers which message was the oldest, so that looking for it anew does not begin at the
// keys of all that have left since the start.
type oldest struct {
	mu   sync.Mutex
	from message.ID
}

// lateIDs is how far back a message may arrive after newer ones: callers may take its id a while
// before they store it. The unit is that of ids: microseconds, 12 bits up.
const lateIDs = message.ID(10_000_000) << 12

// age returns the age of the oldest message, 0 if there is none. The store must be open.
func (o *oldest) age(q *Queue) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if q.gauge.messages.Load() == 0 {
		return 0
	}
	it, err := q.store.NewIter(&pebble.IterOptions{
		LowerBound: idKey(spaceContent, o.from), UpperBound: []byte{spaceContent + 1},
	})
	if err != nil {
		return 0
	}
	defer it.Close()
	if !it.First() {
		return 0
	}
	id, _ := keyID(it.Key())
	o.from = id - min(id, lateIDs)
	return max(0, q.now().Sub(id.Time()))
}
