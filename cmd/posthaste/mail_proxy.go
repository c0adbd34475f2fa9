package main

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyHeaderTime bounds the wait for a PROXY header, which a proxy sends at once.
const proxyHeaderTime = 10 * time.Second

// maxProxyHeaders bounds the connections whose header is being waited for; others wait in the system's queue.
const maxProxyHeaders = 1000

// proxied returns a listener whose connections have the addresses that trusted proxies name in their PROXY protocol
// headers. Those who send none are cut. Other peers are not asked: what they send as a header is junk in place of a
// command.
func proxied(l net.Listener, trusted []netip.Prefix) net.Listener {
	if len(trusted) == 0 {
		return l
	}
	return &proxyListener{
		Listener: l, trusted: trusted, accepted: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
		slots: make(chan struct{}, maxProxyHeaders), waiting: map[net.Conn]struct{}{},
	}
}

// proxyListener reads headers beside each other, so that a slow one holds up no other connection.
type proxyListener struct {
	net.Listener
	trusted  []netip.Prefix
	begin    sync.Once
	accepted chan net.Conn
	failed   chan error
	closed   chan struct{}
	slots    chan struct{}

	mu      sync.Mutex
	ended   bool
	waiting map[net.Conn]struct{} // for their header
}

// Accept returns the next connection whose client is known.
func (l *proxyListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.loop() }) // ends with Close
	select {
	case c := <-l.accepted:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *proxyListener) loop() {
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.closed:
			return
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			select {
			case l.failed <- err:
			case <-l.closed:
				return
			}
			continue
		}
		go func() { // ends within proxyHeaderTime, or with Close
			defer func() { <-l.slots }()
			l.introduce(c)
		}()
	}
}

// introduce finds out who the client is, and hands the connection on.
func (l *proxyListener) introduce(raw net.Conn) {
	c := raw
	if l.trusts(raw.RemoteAddr()) {
		if !l.wait(raw) {
			_ = raw.Close()
			return
		}
		p := proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(proxyHeaderTime))
		header := p.ProxyHeader()
		l.done(raw)
		if header == nil {
			_ = raw.Close()
			return
		}
		c = p
	}
	select {
	case l.accepted <- c:
	case <-l.closed:
		_ = raw.Close()
	}
}

func (l *proxyListener) trusts(peer net.Addr) bool {
	addr, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return false
	}
	for _, p := range l.trusted {
		if p.Contains(addr.Addr().Unmap()) {
			return true
		}
	}
	return false
}

// wait notes a connection, so that Close can cut it; false: it is too late.
func (l *proxyListener) wait(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.waiting[c] = struct{}{}
	return true
}

func (l *proxyListener) done(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, c)
}

// Close closes the listener and the connections that nobody has got yet.
func (l *proxyListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return net.ErrClosed
	}
	l.ended = true
	close(l.closed)
	for c := range l.waiting {
		_ = c.Close()
	}
	return l.Listener.Close()
}
