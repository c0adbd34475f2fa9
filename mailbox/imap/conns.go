package imap

import (
	"net/netip"
)

// conns counts open connections, in all and for an address. Its owner locks.
type conns struct {
	links map[*link]netip.Prefix
	from  map[netip.Prefix]int
}

func newConns() conns {
	return conns{links: make(map[*link]netip.Prefix), from: make(map[netip.Prefix]int)}
}

// add counts a connection, unless there are too many.
func (c *conns) add(l *link, addr netip.Addr, most, mostFrom int) bool {
	p := neighbours(addr)
	if len(c.links) >= most || c.from[p] >= mostFrom {
		return false
	}
	c.links[l] = p
	c.from[p]++
	return true
}

func (c *conns) remove(l *link) {
	p, ok := c.links[l]
	if !ok {
		return
	}
	delete(c.links, l)
	if c.from[p]--; c.from[p] == 0 {
		delete(c.from, p)
	}
}

func (c *conns) all() []*link {
	list := make([]*link, 0, len(c.links))
	for l := range c.links {
		list = append(list, l)
	}
	return list
}

// neighbours is what counts as one address: an IPv4 address, or an IPv6 /64.
func neighbours(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.WithZone("").Prefix(bits) // of no address: the zero Prefix
	return p
}
