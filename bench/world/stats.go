package world

import "sync/atomic"

// Stats counts what the receiving hosts saw since the start.
type Stats struct {
	Connections, PeakConnections uint64
	Messages, Recipients, Bytes  uint64
	Refused                      uint64 // recipients refused at RCPT
	Dropped                      uint64 // connections cut by manner
	Misrouted                    uint64 // recipients offered to a host that is no MX of theirs
	Queries                      uint64 // DNS questions
}

type counters struct {
	connections, peakConnections atomic.Uint64
	messages, recipients, bytes  atomic.Uint64
	refused, dropped, misrouted  atomic.Uint64
	queries                      atomic.Uint64
}

func (c *counters) peak(n int) {
	for {
		old := c.peakConnections.Load()
		if old >= uint64(n) || c.peakConnections.CompareAndSwap(old, uint64(n)) {
			return
		}
	}
}

// Stats returns the counts so far.
func (w *World) Stats() Stats {
	c := &w.stats
	return Stats{
		Connections: c.connections.Load(), PeakConnections: c.peakConnections.Load(),
		Messages: c.messages.Load(), Recipients: c.recipients.Load(), Bytes: c.bytes.Load(),
		Refused: c.refused.Load(), Dropped: c.dropped.Load(), Misrouted: c.misrouted.Load(),
		Queries: c.queries.Load(),
	}
}
