package smtp

import "sync/atomic"

// ServerMetrics are counts since the server began, and gauges where so named.
type ServerMetrics struct {
	Connections        uint64 // accepted, refused ones included
	OpenConnections    int64  // gauge
	RefusedConnections uint64 // over a connection limit
	Commands           uint64
	Errors             uint64 // commands and messages refused
	Messages           uint64 // handed to a Session and accepted
	MessageBytes       uint64 // the content of those
	BareNewlines       uint64 // messages refused or changed because of a bare CR, bare LF or NUL
	Timeouts           uint64 // sessions ended by 421 4.4.2
	MemoryRefusals     uint64 // 452 4.3.1
	TLSHandshakes      uint64 // that succeeded
	TLSFailures        uint64
	ProxyFailures      uint64 // trusted proxies that sent no valid PROXY header
	Panics             uint64 // of a Session, survived
}

type serverCounters struct {
	connections, refused, commands, errors       atomic.Uint64
	messages, messageBytes, bare, timeouts       atomic.Uint64
	noMemory, handshakes, tlsFailures, proxyFail atomic.Uint64
	panics                                       atomic.Uint64
}

// Metrics returns the counts so far.
func (s *Server) Metrics() ServerMetrics {
	s.init()
	m := &s.metrics
	return ServerMetrics{
		Connections:        m.connections.Load(),
		OpenConnections:    int64(s.conns.count()),
		RefusedConnections: m.refused.Load(),
		Commands:           m.commands.Load(),
		Errors:             m.errors.Load(),
		Messages:           m.messages.Load(),
		MessageBytes:       m.messageBytes.Load(),
		BareNewlines:       m.bare.Load(),
		Timeouts:           m.timeouts.Load(),
		MemoryRefusals:     m.noMemory.Load(),
		TLSHandshakes:      m.handshakes.Load(),
		TLSFailures:        m.tlsFailures.Load(),
		ProxyFailures:      m.proxyFail.Load(),
		Panics:             m.panics.Load(),
	}
}
