package smtp

import (
	"context"
	"errors"
	"net"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("smtp: server closed")

// Server receives mail over SMTP (RFC 5321). It speaks the wire and nothing else: what to accept
// is the Session's matter. Set the fields before the first call of Serve and leave them alone
// afterwards.
type Server struct {
	Backend Backend
	Config  ServerConfig
}

// Serve accepts connections on l until Shutdown or Close; it then returns ErrServerClosed. It
// closes l. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error { return errors.New("smtp: not there yet") }

// Shutdown stops accepting, tells idle clients 421 4.3.2, lets transactions that are under way
// come to their end and returns when all connections are closed. When ctx ends first, the rest is
// cut and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Close cuts all connections and waits for their sessions to end.
func (s *Server) Close() error { return nil }

// ServerMetrics are counts since the server began, and gauges where so named.
type ServerMetrics struct {
	Connections        uint64 // accepted, refused ones included
	OpenConnections    int64  // gauge
	RefusedConnections uint64 // over a connection limit
	Commands           uint64
	Errors             uint64 // commands and messages refused
	Messages           uint64 // content handed to a Session and accepted
	MessageBytes       uint64 // content of those
	BareNewlines       uint64 // messages refused or changed because of bare CR, LF or NUL
	Timeouts           uint64 // sessions ended by 421 4.4.2
	MemoryRefusals     uint64 // 452 4.3.1
	TLSHandshakes      uint64
	TLSFailures        uint64
	Panics             uint64 // of a Session, survived
}

// Metrics returns the counts so far.
func (s *Server) Metrics() ServerMetrics { return ServerMetrics{} }
