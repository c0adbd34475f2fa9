package imap

import "sync/atomic"

// Metrics are counts since New, and what is there now.
type Metrics struct {
	Connections   int64 // now
	Sessions      int64 // now: connections that have logged in
	Idling        int64 // now: in IDLE
	TurnedAway    int64 // connections over a limit
	Logins        int64
	RefusedLogins int64
	Commands      int64 // after login
}

type counters struct {
	connections, sessions, idling, turnedAway, logins, refusedLogins, commands atomic.Int64
}

// Metrics returns them.
func (s *Server) Metrics() Metrics {
	c := &s.count
	return Metrics{
		Connections:   c.connections.Load(),
		Sessions:      c.sessions.Load(),
		Idling:        c.idling.Load(),
		TurnedAway:    c.turnedAway.Load(),
		Logins:        c.logins.Load(),
		RefusedLogins: c.refusedLogins.Load(),
		Commands:      c.commands.Load(),
	}
}
