package pop3

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// conns are the listeners and the open connections of a Server, with the limits on them.
type conns struct {
	max, maxPerAddr int

	stopping chan struct{} // closed by stop

	mu        sync.Mutex
	stopped   bool
	listeners map[net.Listener]struct{}
	open      map[*conn]struct{}
	perAddr   map[netip.Prefix]int
}

func (s *conns) init(max, maxPerAddr int) {
	s.max, s.maxPerAddr = max, maxPerAddr
	s.stopping = make(chan struct{})
	s.listeners = make(map[net.Listener]struct{})
	s.open = make(map[*conn]struct{})
	s.perAddr = make(map[netip.Prefix]int)
}

// addListener counts an accept loop in wg, unless the server has stopped. It does so under the lock that
// stop takes before anybody waits for wg.
func (s *conns) addListener(l net.Listener, wg *sync.WaitGroup) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.listeners[l] = struct{}{}
	wg.Add(1)
	return true
}

// add reports false if there are too many connections.
func (s *conns) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.max > 0 && len(s.open) >= s.max {
		return false
	}
	s.open[c] = struct{}{}
	return true
}

// addAddr counts c for its client's address, which is not known before a PROXY header was read. It reports
// false if there are too many from there.
func (s *conns) addAddr(c *conn, addr netip.Addr) bool {
	if !addr.IsValid() || s.maxPerAddr <= 0 {
		return true
	}
	network := clientNetwork(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perAddr[network] >= s.maxPerAddr {
		return false
	}
	s.perAddr[network]++
	c.network = network
	return true
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if !c.network.IsValid() {
		return
	}
	if s.perAddr[c.network]--; s.perAddr[c.network] <= 0 {
		delete(s.perAddr, c.network)
	}
}

func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// stop closes the listeners and wakes every connection that waits for input. REQUIRES: Server.stopping is
// set, see input.Read.
func (s *conns) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.open {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut closes every connection.
func (s *conns) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.raw.Close()
	}
}

// clientNetwork is what a limit per address counts by: one IPv4 address, or an IPv6 /64, which is what a
// single customer gets at the least.
func clientNetwork(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}
