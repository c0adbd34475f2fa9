package inbound

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// Client is what was found out about an address. Its slices must not be changed.
type Client struct {
	Addr    netip.Addr
	Reverse Reverse
	// Lists has one entry for each configured list.
	Lists []ListResult
}

// Client asks the lists about addr and looks for its name, within the configured time. It is for the start of a
// session; Check calls it by itself if nobody did before.
func (c *Checker) Client(ctx context.Context, addr netip.Addr) Client {
	if known, ok := c.KnownClient(addr); ok {
		return known
	}
	p := withPatience(ctx, c.cfg.Timeout)
	defer p.end()
	now := c.cfg.Now()
	addr = addr.Unmap().WithZone("")
	res := Client{Addr: addr, Lists: make([]ListResult, len(c.lists))}
	var running sync.WaitGroup
	for i, l := range c.lists {
		running.Go(func() { res.Lists[i] = l.ask(p, addr) })
	}
	res.Reverse = c.reverse(p, addr)
	running.Wait()
	if res.isCertain() {
		c.clients.Put(addr, kept[Client]{res, now.Add(keepFor)})
	}
	return res
}

// KnownClient is Client for an address about which nobody needs to be asked; ok is false for others.
func (c *Checker) KnownClient(addr netip.Addr) (res Client, ok bool) {
	k, ok := c.clients.Get(addr.Unmap().WithZone(""))
	if !ok || !c.cfg.Now().Before(k.until) {
		return Client{}, false
	}
	return k.what, true
}

// isCertain tells whether all who were asked have answered.
func (r *Client) isCertain() bool {
	return r.Reverse.Value != TempError && !slices.ContainsFunc(r.Lists, func(l ListResult) bool { return l.Err != nil })
}
