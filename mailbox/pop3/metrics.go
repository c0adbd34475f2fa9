package pop3

import "sync/atomic"

// Metrics are counts since the server began, and gauges where so named.
type Metrics struct {
	Connections        uint64 // accepted, refused ones included
	OpenConnections    int64  // gauge
	OpenSessions       int64  // gauge: logged in
	RefusedConnections uint64 // over a connection limit
	Commands           uint64
	Errors             uint64 // commands that break the protocol
	Logins             uint64
	LoginFailures      uint64
	InUse              uint64 // right logins to a maildrop that another session held
	Retrieved          uint64 // messages sent for RETR
	RetrievedBytes     uint64 // the content of those
	Deleted            uint64 // messages removed at QUIT
	UpdateFailures     uint64 // QUITs that could not remove what was marked
	StoreFailures      uint64 // logins and messages refused because the store failed
	MemoryRefusals     uint64 // messages for which there was no memory in time
	Timeouts           uint64 // connections closed because nothing came, or nothing was read
	TLSHandshakes      uint64 // that succeeded
	TLSFailures        uint64
	Panics             uint64 // survived
}

type counters struct {
	connections, refused, commands, errors    atomic.Uint64
	logins, loginFailures, inUse              atomic.Uint64
	retrieved, retrievedBytes, deleted        atomic.Uint64
	updateFailures, storeFailures, noMemory   atomic.Uint64
	timeouts, handshakes, tlsFailures, panics atomic.Uint64
	sessions                                  atomic.Int64
}

// Metrics returns the counts so far.
func (s *Server) Metrics() Metrics {
	m := &s.metrics
	return Metrics{
		Connections:        m.connections.Load(),
		OpenConnections:    int64(s.conns.count()),
		OpenSessions:       m.sessions.Load(),
		RefusedConnections: m.refused.Load(),
		Commands:           m.commands.Load(),
		Errors:             m.errors.Load(),
		Logins:             m.logins.Load(),
		LoginFailures:      m.loginFailures.Load(),
		InUse:              m.inUse.Load(),
		Retrieved:          m.retrieved.Load(),
		RetrievedBytes:     m.retrievedBytes.Load(),
		Deleted:            m.deleted.Load(),
		UpdateFailures:     m.updateFailures.Load(),
		StoreFailures:      m.storeFailures.Load(),
		MemoryRefusals:     m.noMemory.Load(),
		Timeouts:           m.timeouts.Load(),
		TLSHandshakes:      m.handshakes.Load(),
		TLSFailures:        m.tlsFailures.Load(),
		Panics:             m.panics.Load(),
	}
}
