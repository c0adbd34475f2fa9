package relay

import (
	"net/netip"
	"sync"
	"time"
)

// How long a host's quirk is remembered before it is tried in the good way again.
const (
	rememberNoTLS    = time.Hour
	rememberClassic  = 24 * time.Hour
	rememberDead     = time.Minute
	rememberLockstep = 24 * time.Hour
)

// hostMemory remembers what was learnt of receiving hosts the hard way, so that the next
// connection does not learn it again. It is bounded; when full, what was noted longest ago goes.
type hostMemory struct {
	mu    sync.Mutex
	max   int
	hosts map[hostKey]*hostNotes
	order []hostKey // insertion order, the oldest first
}

// hostKey names a host: by its address, or by the path of a Unix socket.
type hostKey struct {
	addr   netip.AddrPort
	socket string
}

// hostNotes are times until which a quirk is believed; zero is never.
type hostNotes struct {
	noTLS    time.Time // its TLS handshake fails: deliver in the clear where policy allows
	classic  time.Time // it chokes on the large post-quantum ClientHello: offer classic curves only
	dead     time.Time // no connection could be made: try it after the others
	lockstep time.Time // it lost its way in pipelined commands
	// It offers CHUNKING and does not know BDAT.
	noChunking time.Time
}

func newHostMemory(max int) *hostMemory {
	return &hostMemory{max: max, hosts: make(map[hostKey]*hostNotes)}
}

// get returns a copy of what is known of addr.
func (m *hostMemory) get(addr hostKey) hostNotes {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.hosts[addr]; n != nil {
		return *n
	}
	return hostNotes{}
}

// note changes what is known of addr.
func (m *hostMemory) note(addr hostKey, change func(*hostNotes)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.hosts[addr]
	if n == nil {
		if len(m.order) >= m.max {
			delete(m.hosts, m.order[0])
			m.order = m.order[1:]
		}
		n = &hostNotes{}
		m.hosts[addr] = n
		m.order = append(m.order, addr)
	}
	change(n)
}

// forgive forgets that addr was dead, after a connection to it came about.
func (m *hostMemory) forgive(addr hostKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.hosts[addr]; n != nil {
		n.dead = time.Time{}
	}
}
