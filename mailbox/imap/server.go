package imap

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2/imapserver"
	"go.uber.org/zap"
)

// ErrClosed is returned by Serve after Shutdown.
var ErrClosed = errors.New("imap: server closed")

// Server serves IMAP on any number of listeners.
type Server struct {
	cfg      Config
	inner    *imapserver.Server // of the library; sees those who have logged in
	handover *handover
	memory   *shares // octets of contents
	turns    *shares // to search in a body
	count    counters

	ctx      context.Context // ends with the server; what a command does ends with it
	cancel   context.CancelFunc
	draining chan struct{} // closed: no command is begun any more
	running  sync.WaitGroup

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     conns
	closed    bool
}

// New makes a server. It must be ended with Shutdown.
func New(cfg Config) *Server {
	s := &Server{
		cfg:       cfg.withDefaults(),
		handover:  newHandover(),
		draining:  make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		conns:     newConns(),
	}
	s.memory, s.turns = newMemory(s.cfg.Memory, s.cfg.MaxMessageBytes), newTurns()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.inner = s.newLibrary()
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		_ = s.inner.Serve(s.handover) // ends when the handover is closed
	}()
	return s
}

// Serve accepts connections until the listener fails or Shutdown is called; then it returns ErrClosed. It closes
// the listener.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ln)
		s.mu.Unlock()
	}()
	for delay := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			delay = 0
			s.admit(conn)
		case s.ctx.Err() != nil || s.isDraining():
			return ErrClosed
		case errors.Is(err, net.ErrClosed):
			return err
		default: // most likely out of file descriptors
			s.cfg.Log.Warn("imap: accept failed", zap.Error(err))
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(delay):
			case <-s.draining:
			}
		}
	}
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// admit starts a connection, or turns it away.
func (s *Server) admit(conn net.Conn) {
	l := newLink(conn, &s.cfg)
	l.draining = s.draining
	s.mu.Lock()
	ok := !s.closed && s.conns.add(l, addrOf(conn), s.cfg.MaxConnections, s.cfg.MaxConnectionsPerAddr)
	if ok {
		s.running.Add(1)
	}
	s.mu.Unlock()
	if !ok {
		s.count.turnedAway.Add(1)
		if !s.cfg.ImplicitTLS {
			// It fits into the socket's buffer: nobody waits for this client.
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write([]byte("* BYE [UNAVAILABLE] Too many connections\r\n"))
		}
		_ = conn.Close()
		return
	}
	s.count.connections.Add(1)
	go s.handle(l)
}

// handle leads a connection to its login, and hands it to the library.
func (s *Server) handle(l *link) {
	handedOver := false
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("imap: panic before login", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
		}
		if !handedOver {
			l.close()
			s.ended(l)
		}
	}()
	if s.cfg.ImplicitTLS {
		if err := l.startTLS(s.ctx); err != nil {
			s.cfg.Log.Debug("imap: connection ended", zap.Error(err))
			return
		}
	}
	d := &door{link: l, srv: s}
	owner, err := d.open()
	if err != nil {
		s.cfg.Log.Debug("imap: connection ended before login", zap.Error(err))
		return
	}
	s.count.sessions.Add(1)
	s.count.logins.Add(1)
	g := &gate{link: l, srv: s, pace: newPacer(s.cfg.CommandsPerSecond)}
	g.session = newSession(s, g, owner)
	g.onClose = func() {
		s.count.sessions.Add(-1)
		s.ended(l)
	}
	handedOver = true
	if !s.handover.give(g) {
		_ = g.Close()
	}
}

func (s *Server) ended(l *link) {
	s.mu.Lock()
	s.conns.remove(l)
	s.mu.Unlock()
	s.count.connections.Add(-1)
	s.running.Done()
}

// Shutdown ends the server: listeners close, clients that wait are told BYE, commands under way may end. When ctx
// ends before them, their connections are cut. All goroutines have ended when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.draining)
	}
	for ln := range s.listeners {
		_ = ln.Close() // Serve returns ErrClosed
	}
	s.mu.Unlock()
	if first {
		go s.drain(ctx)
	}
	s.running.Wait()
	return ctx.Err()
}

// drain wakes the connections until none is left, and cuts them when ctx ends.
func (s *Server) drain(ctx context.Context) {
	for wake := time.NewTicker(20 * time.Millisecond); ; {
		s.mu.Lock()
		left := s.conns.all()
		s.mu.Unlock()
		if len(left) == 0 {
			wake.Stop()
			break
		}
		for _, l := range left {
			l.wake()
		}
		select {
		case <-wake.C:
		case <-ctx.Done():
			s.cancel()
			for _, l := range left {
				l.hangUp()
			}
			<-wake.C
		}
	}
	s.cancel()
	_ = s.handover.Close() // ends the library; its own Close races with its Serve
}
