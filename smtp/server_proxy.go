package smtp

import (
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyHeaderTime bounds the wait for a PROXY header, which a proxy sends at once.
const proxyHeaderTime = 10 * time.Second

// readProxyHeader takes the client's address from the PROXY protocol header of a trusted proxy. It
// reports false if a trusted one sends none. Other peers are not asked: what they send as a header
// is junk in place of a command.
func (c *serverConn) readProxyHeader() bool {
	if !c.cfg.trustsProxy(c.info.RemoteAddr.Addr()) {
		return true
	}
	wait := min(proxyHeaderTime, c.cfg.ReadTimeout)
	p := proxyproto.NewConn(c.raw, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(wait))
	header := p.ProxyHeader()
	if header == nil {
		return false
	}
	c.nc = p
	if header.Command.IsLocal() {
		return true // the proxy itself, looking after our health
	}
	if source := addrPort(header.SourceAddr); source.IsValid() {
		c.info.RemoteAddr = source
		c.info.LocalAddr = addrPort(header.DestinationAddr)
	}
	return true
}

func (cfg *ServerConfig) trustsProxy(addr netip.Addr) bool {
	for _, p := range cfg.ProxyTrusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
