package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
)

// Trusted peers tell who the client is; one that says nothing holds up nobody, and ends with the listener.
func TestProxied(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := proxied(inner, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
	dial := func(say string) net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprint(c, say)
		return c
	}
	silent := dial("")
	wrong := dial("USER ann\r\n")
	dial("PROXY TCP4 192.0.2.7 192.0.2.1 4000 110\r\nQUIT\r\n")
	c, err := l.Accept()
	if err != nil || c.RemoteAddr().String() != "192.0.2.7:4000" {
		t.Fatal(c, err)
	}
	var said [6]byte
	if _, err := io.ReadFull(c, said[:]); err != nil || string(said[:]) != "QUIT\r\n" {
		t.Errorf("%q, %v", said, err)
	}
	c.Close()
	if n, err := wrong.Read(said[:]); n != 0 || err == nil {
		t.Errorf("without a header: %d, %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if n, err := silent.Read(said[:]); n != 0 || err == nil {
		t.Errorf("silent: %d, %v", n, err)
	}
}

func TestOthersAreNotAsked(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := proxied(inner, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := l.Accept()
	if err != nil || got.RemoteAddr().String() != c.LocalAddr().String() {
		t.Error(got, err)
	}
	got.Close()
	if proxied(inner, nil) != inner {
		t.Error("without trust nothing is changed")
	}
}
