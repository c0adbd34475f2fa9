package relay

import (
	"sync/atomic"

	"github.com/posthaste-mta/posthaste/message"
)

// counters are what the relay counts while it runs.
type counters struct {
	acceptedMessages   atomic.Uint64
	acceptedRecipients atomic.Uint64
	rejected           atomic.Uint64
	results            [message.NumResults]atomic.Uint64
	reports            atomic.Uint64
	reportsWithheld    atomic.Uint64
	connections        atomic.Uint64
	connectFailures    atomic.Uint64
	suspensions        atomic.Uint64
	leaseErrors        atomic.Uint64
	eventsLost         atomic.Uint64
	tlsSessions        [3]atomic.Uint64 // by tlsLevel
	attempts           [6]atomic.Uint64 // by class of the reply: 0 for none, 2, 4, 5
}

// count adds the results of outcomes that have been recorded.
func (c *counters) count(batch []outcome) {
	for _, o := range batch {
		for result, n := range o.results {
			if n > 0 {
				c.results[result].Add(uint64(n))
			}
		}
	}
}
