package relay

import "sync/atomic"

// Metrics are counts since the relay began, and gauges where so named. What events tell (accepted, delivered,
// deferred, latencies) the event log counts: see EventLog.Stats.
type Metrics struct {
	Connections     uint64 // dialled
	ConnectFailures uint64 // of those, the ones that came to no service
	TLSSessions     [NumTLSLevels]uint64
	Suspensions     uint64 // times that a site was left alone because it did not answer
	ReportsWithheld uint64 // over the limit against storms
	LeaseErrors     uint64 // groups that could not be read from the queue
	Signed          uint64 // messages with a DKIM signature of ours
	Unsigned        uint64 // messages of our own that there was no key for, or that could not be signed
	Inbound         InboundMetrics
	// BouncesUncounted are hard bounces that the suppression lists did not hear of, because too many came.
	BouncesUncounted uint64
	EventsLost       uint64 // events of refusals and acceptances that the log could not take; never an end

	OpenConnections, IdleConnections int // gauges; idle ones are open too
	Lanes, SuspendedLanes            int // gauges

	ContentBytes   int64 // gauge: content in delivery, as Config.Memory bounds it
	ContentWaiting int   // gauge: messages that wait until there is memory for theirs
}

// TLSLevel says how well a connection is secured.
type TLSLevel uint8

const (
	TLSClear     TLSLevel = iota // not at all
	TLSEncrypted                 // with any certificate
	TLSVerified                  // with a certificate that names the host
	NumTLSLevels
)

// String returns the level's name in metrics.
func (l TLSLevel) String() string { return [...]string{"none", "encrypted", "verified"}[l] }

// counters are what the relay counts while it runs.
type counters struct {
	connections, connectFailures atomic.Uint64
	tls                          [NumTLSLevels]atomic.Uint64
	suspensions                  atomic.Uint64
	reportsWithheld              atomic.Uint64
	signed, unsigned             atomic.Uint64
	leaseErrors, eventsLost      atomic.Uint64
	inbound                      inboundCounters
}

// Metrics returns the counts so far.
func (r *Relay) Metrics() Metrics {
	c := &r.metrics
	m := Metrics{
		Connections: c.connections.Load(), ConnectFailures: c.connectFailures.Load(),
		Suspensions: c.suspensions.Load(), ReportsWithheld: c.reportsWithheld.Load(),
		Signed: c.signed.Load(), Unsigned: c.unsigned.Load(),
		Inbound:     c.inbound.metrics(),
		LeaseErrors: c.leaseErrors.Load(), EventsLost: c.eventsLost.Load(),
		BouncesUncounted: r.bounces.dropped.Load(),
	}
	for i := range m.TLSSessions {
		m.TLSSessions[i] = c.tls[i].Load()
	}
	m.OpenConnections, m.IdleConnections = r.slots.used()
	m.ContentBytes, m.ContentWaiting = r.memory.used()
	m.Lanes, m.SuspendedLanes = r.lanes.count()
	return m
}
