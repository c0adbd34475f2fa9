package pop3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = errors.New("pop3: server closed")

// Server serves POP3. Make it with New.
type Server struct {
	cfg     Config
	tls     *tls.Config
	open    openMaildrop
	conns   conns
	metrics counters

	base     context.Context // of all sessions; ends when the time for goodbyes is over
	cancel   context.CancelFunc
	wg       sync.WaitGroup // connections and accept loops
	stopping atomic.Bool    // Shutdown or Close was called
}

// New returns a server that is not serving yet.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults()}
	s.open = storeMaildrops(s.cfg.Store)
	s.conns.init(s.cfg.MaxConnections, s.cfg.MaxConnectionsPerAddr)
	s.base, s.cancel = context.WithCancel(context.Background())
	if s.cfg.TLS != nil {
		s.tls = s.cfg.TLS.Clone()
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
	}
	return s
}

// Serve accepts connections on l until Shutdown or Close; it then returns ErrServerClosed. It closes l. It
// may be called for several listeners. RemoteAddr of a connection may block: a listener that reads PROXY
// headers does no harm to the accept loop.
func (s *Server) Serve(l net.Listener) error {
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
			return fmt.Errorf("pop3: accept: %w", err)
		default:
			// Most likely out of file descriptors, which passes.
			s.cfg.Log.Error("accept failed", zap.String("listener", s.cfg.Listener), zap.Error(err))
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
	c := newConn(s, nc)
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
		defer s.conns.remove(c)
		c.serve()
	}()
}

// Shutdown stops accepting, lets commands that are under way come to their end, closes the connections and
// returns when all are closed. Messages that are marked as deleted stay, as after any end but QUIT. When
// ctx ends first, it cuts the rest and returns ctx's error, without waiting for calls to the store that
// still run.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.conns.stop()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		s.cut()
		return fmt.Errorf("pop3: shutdown: %w", ctx.Err())
	}
}

// Close cuts all connections and waits for their sessions to end.
func (s *Server) Close() error {
	s.stopping.Store(true)
	s.conns.stop()
	s.cut()
	s.wg.Wait()
	return nil
}

func (s *Server) cut() {
	s.cancel()
	s.conns.cut()
}
