package resolvertest

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

const (
	maxTCP      = 256 // connections at once
	udpReaders  = 2
	udpReadSize = 4096
)

// Server answers out of a Zone by UDP and TCP on one port of the loopback address.
type Server struct {
	*Zone
	udp    *net.UDPConn
	tcp    *net.TCPListener
	active sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// Listen starts a server for z on address, such as "127.0.0.1:0". Close it after use.
func Listen(address string, z *Zone) (*Server, error) {
	s := &Server{Zone: z, conns: make(map[net.Conn]bool)}
	// A free UDP port may be taken for TCP: with port 0 it takes a few tries to get a pair.
	var err error
	for range 20 {
		if err = s.bind(address); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("resolvertest: %w", err)
	}
	for range udpReaders {
		s.active.Go(s.serveUDP)
	}
	s.active.Go(s.serveTCP)
	return s, nil
}

func (s *Server) bind(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	a := l.Addr().(*net.TCPAddr)
	s.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: a.IP, Port: a.Port})
	if err != nil {
		l.Close()
		return err
	}
	s.tcp = l.(*net.TCPListener)
	return nil
}

// Addr returns the server's "address:port".
func (s *Server) Addr() string { return s.udp.LocalAddr().String() }

// Close ends the server and waits until it has ended.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.active.Wait()
	return err
}

func (s *Server) serveUDP() {
	in, out := make([]byte, udpReadSize), make([]byte, maximumUDP)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(in)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		for _, packet := range s.Respond(in[:n], out, false) {
			s.udp.WriteToUDPAddrPort(packet, from)
		}
	}
}

func (s *Server) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		if !s.adopt(c) {
			c.Close()
			continue
		}
		s.active.Go(func() {
			s.serveConn(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			c.Close()
		})
	}
}

// adopt takes c in, unless there are too many or the server is closed.
func (s *Server) adopt(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxTCP {
		return false
	}
	s.conns[c] = true
	return true
}
