package inbound

import (
	"context"
	"net/netip"
	"sync"
)

// Client is what was found out about an address.
type Client struct {
	Addr    netip.Addr
	Reverse Reverse
	// Lists has one entry for each configured list.
	Lists []ListResult
}

// Client asks the lists about addr and looks for its name, within the configured time. It is for the start of a
// session; Check calls it by itself if nobody did before.
func (c *Checker) Client(ctx context.Context, addr netip.Addr) Client {
	p := withPatience(ctx, c.cfg.Timeout)
	defer p.end()
	addr = addr.Unmap().WithZone("")
	res := Client{Addr: addr, Lists: make([]ListResult, len(c.lists))}
	var running sync.WaitGroup
	for i, l := range c.lists {
		running.Go(func() { res.Lists[i] = l.ask(p, addr) })
	}
	res.Reverse = c.reverse(p, addr)
	running.Wait()
	return res
}
