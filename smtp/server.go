package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("smtp: server closed")

// Server receives mail over SMTP (RFC 5321). It speaks the wire and nothing else: what to accept
// is the Session's matter. Set the fields before the first call of Serve and leave them alone
// afterwards.
//
// Each connection is one goroutine that reads commands and content into one buffer, parses them
// in place, and writes the replies to a batch of pipelined commands at once.
type Server struct {
	Backend Backend
	Config  ServerConfig

	start    sync.Once
	cfg      ServerConfig // Config with its defaults
	tls      *tls.Config
	conns    serverConns
	metrics  serverCounters
	pool     sync.Pool      // of *serverConn
	wg       sync.WaitGroup // connections and accept loops
	stopping atomic.Bool    // Shutdown or Close was called
	cutting  atomic.Bool    // the time for goodbyes is over
}

func (s *Server) init() {
	s.start.Do(func() {
		s.cfg = s.Config.withDefaults()
		s.conns.init(s.cfg.MaxConnections, s.cfg.MaxConnectionsPerAddr)
		if s.cfg.TLS != nil {
			s.tls = s.cfg.TLS.Clone()
			s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
		}
	})
}

// Serve accepts connections on l until Shutdown or Close; it then returns ErrServerClosed. It
// closes l. It may be called for several listeners.
//
// Keep-alive probes of TCP serve no purpose here, since every wait has its time limit; a listener
// made with net.ListenConfig{KeepAlive: -1} saves four system calls per connection.
func (s *Server) Serve(l net.Listener) error {
	s.init()
	defer l.Close()
	if !s.conns.addListener(l, &s.wg) {
		return ErrServerClosed
	}
	defer s.wg.Done()
	for wait := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.accept(nc)
		case s.stopping.Load():
			return ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("smtp: accept: %w", err)
		default:
			// Most likely out of file descriptors, which passes.
			s.report(fmt.Errorf("smtp: accept: %w", err))
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
			case <-s.conns.stopping:
			}
		}
	}
}

// accept starts a connection's goroutine, or refuses the connection when there are too many.
func (s *Server) accept(nc net.Conn) {
	s.metrics.connections.Add(1)
	c, _ := s.pool.Get().(*serverConn)
	if c == nil {
		c = new(serverConn)
	}
	c.prepare(s, nc)
	if !s.conns.add(c) {
		s.metrics.refused.Add(1)
		if !s.cfg.ImplicitTLS {
			// A fresh socket takes this much at once, so it does not hold up the accept loop.
			_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = nc.Write([]byte(replyConnections))
		}
		_ = nc.Close()
		return
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		c.serve()
		s.conns.remove(c)
		c.release()
		s.pool.Put(c)
	}()
}

// Shutdown stops accepting, tells idle clients 421 4.3.2, lets transactions that are under way
// come to their end and returns when all connections are closed. When ctx ends first, it cuts the
// rest and returns ctx's error, without waiting for calls of a Session that still run.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.stopping.Store(true)
	s.conns.stop()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cut()
		return fmt.Errorf("smtp: shutdown: %w", ctx.Err())
	}
}

// Close cuts all connections and waits for their sessions to end.
func (s *Server) Close() error {
	s.init()
	s.stopping.Store(true)
	s.conns.stop()
	s.cut()
	s.wg.Wait()
	return nil
}

func (s *Server) cut() {
	s.cutting.Store(true)
	s.conns.cut()
}

func (s *Server) report(err error) {
	if s.cfg.Report != nil {
		s.cfg.Report(err)
	}
}
