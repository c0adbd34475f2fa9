package world

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// portTries bounds the search for a port that is free on every address.
const portTries = 20

// listen gives every host its address and opens one listener an address, all on one port.
func (w *World) listen() ([]net.Listener, error) {
	n := min(len(w.hosts), w.cfg.MaxAddresses)
	if n == 0 {
		return nil, errors.New("world: no sites")
	}
	addrs := loopbacks(n)
	var firstErr error
	for range portTries {
		ls, err := listenAll(addrs, w.cfg.Port)
		if err == nil {
			w.assign(addrs, ls)
			return ls, nil
		}
		if firstErr == nil {
			firstErr = err
		}
		if w.cfg.Port != 0 {
			break
		}
	}
	// Some systems have 127.0.0.1 alone. Everything works from one address too; only what a
	// host does before it knows the recipient is then the same for all.
	addrs = loopbacks(1)
	ls, err := listenAll(addrs, w.cfg.Port)
	if err != nil {
		return nil, fmt.Errorf("world: %w", errors.Join(firstErr, err))
	}
	w.assign(addrs, ls)
	return ls, nil
}

// loopbacks returns n addresses: 127.0.0.1 alone, or from 127.0.0.2 up when several are wanted,
// so that a host is not mistaken for the relay that listens on 127.0.0.1.
func loopbacks(n int) []netip.Addr {
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if n == 1 {
		return []netip.Addr{a}
	}
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		a = a.Next()
		addrs[i] = a
	}
	return addrs
}

func listenAll(addrs []netip.Addr, port uint16) ([]net.Listener, error) {
	var ls []net.Listener
	for _, a := range addrs {
		l, err := net.Listen("tcp4", netip.AddrPortFrom(a, port).String())
		if err != nil {
			for _, l := range ls {
				l.Close()
			}
			return nil, err
		}
		ls = append(ls, l)
		port = uint16(l.Addr().(*net.TCPAddr).Port)
	}
	return ls, nil
}

func (w *World) assign(addrs []netip.Addr, ls []net.Listener) {
	w.port = uint16(ls[0].Addr().(*net.TCPAddr).Port)
	w.shared = len(addrs) == 1
	for i, h := range w.hosts {
		h.addr = netip.AddrPortFrom(addrs[i%len(addrs)], w.port)
	}
}

// serve accepts on one address until it is closed.
func (w *World) serve(l net.Listener) {
	var h *host // the first host on this address gives the greeting
	for _, o := range w.hosts {
		if o.addr.String() == l.Addr().String() {
			h = o
			break
		}
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || w.ctx.Err() != nil {
				return
			}
			continue // out of descriptors for a moment; others will be freed
		}
		if !w.track(conn) {
			_, _ = conn.Write([]byte("421 4.3.2 too many connections\r\n"))
			conn.Close()
			continue
		}
		w.wg.Go(func() {
			defer w.untrack(conn)
			defer conn.Close()
			newSession(w, h, conn).run()
		})
	}
}
