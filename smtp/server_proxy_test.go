package smtp

import (
	"net"
	"net/netip"
	"testing"

	"github.com/pires/go-proxyproto"
)

func TestServerProxyProtocol(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	source := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 4321}
	target := &net.TCPAddr{IP: net.ParseIP("192.0.2.25"), Port: 25}
	for version := byte(1); version <= 2; version++ {
		for _, implicit := range []bool{false, true} {
			record := &serverRecord{}
			_, addr := startServer(t, ServerConfig{ProxyTrusted: loopback, TLS: serverTestTLS(t), ImplicitTLS: implicit}, record)
			c := socketClient(t, addr)
			header, err := proxyproto.HeaderProxyFromAddrs(version, source, target).Format()
			if err != nil {
				t.Fatal(err)
			}
			if implicit {
				c.send(string(header))
				if err := c.startTLS(anyCertificate); err != nil {
					t.Fatal(err)
				}
				c.expect("220 ")
				c.send("QUIT\r\n")
			} else {
				c.send(string(header) + "QUIT\r\n")
				c.expect("220 ")
			}
			c.expect("221 ")
			c.expectEnd()
			if record.info.RemoteAddr.String() != "192.0.2.7:4321" || record.info.LocalAddr.String() != "192.0.2.25:25" {
				t.Errorf("version %d: client %v at %v", version, record.info.RemoteAddr, record.info.LocalAddr)
			}
		}
	}
}

// The limit per address counts the client behind the proxy, and a proxy that says nothing gets
// nothing.
func TestServerProxyLimits(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s, addr := startServer(t, ServerConfig{ProxyTrusted: loopback, MaxConnectionsPerAddr: 1}, &serverRecord{})
	for i, source := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.1", "2001:db8::1", "2001:db8::2"} {
		c := socketClient(t, addr)
		family := "TCP4"
		if netip.MustParseAddr(source).Is6() {
			family = "TCP6"
		}
		c.send("PROXY " + family + " " + source + " " + source + " 1 25\r\n")
		if i == 2 || i == 4 { // of the /64, the second
			c.expect("421 4.7.0")
			c.expectEnd()
		} else {
			c.expect("220 ")
		}
	}
	c := socketClient(t, addr)
	c.send("HELO c.test\r\n")
	c.expectEnd()
	if m := s.Metrics(); m.ProxyFailures != 1 || m.RefusedConnections != 2 {
		t.Errorf("%+v", m)
	}
}
