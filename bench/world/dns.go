package world

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// ttl of every record, in seconds: long enough that a benchmark asks once.
const ttl = 300

// dnsServer answers for the whole world, on UDP and TCP.
type dnsServer struct {
	w        *World
	addr     string
	udp, tcp *dns.Server
	once     sync.Once
	done     sync.WaitGroup
}

func startDNS(w *World, port uint16) (*dnsServer, error) {
	var err error
	for range portTries {
		var pc net.PacketConn
		if pc, err = net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			break
		}
		var l net.Listener
		if l, err = net.Listen("tcp4", pc.LocalAddr().String()); err != nil {
			pc.Close()
			if port != 0 {
				break
			}
			continue // the port was free on UDP only
		}
		d := &dnsServer{w: w, addr: pc.LocalAddr().String()}
		d.udp = &dns.Server{PacketConn: pc, Handler: d}
		d.tcp = &dns.Server{Listener: l, Handler: d}
		for _, s := range []*dns.Server{d.udp, d.tcp} {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			d.done.Go(func() { _ = s.ActivateAndServe() })
			<-up
		}
		return d, nil
	}
	return nil, fmt.Errorf("world: dns: %w", err)
}

func (d *dnsServer) stop() {
	d.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = d.udp.ShutdownContext(ctx)
		_ = d.tcp.ShutdownContext(ctx)
	})
	d.done.Wait()
}

// ServeDNS implements dns.Handler.
func (d *dnsServer) ServeDNS(rw dns.ResponseWriter, req *dns.Msg) {
	d.w.stats.queries.Add(1)
	m := new(dns.Msg)
	m.SetReply(req)
	m.Authoritative = true
	m.RecursionAvailable = true
	if len(req.Question) == 1 && req.Opcode == dns.OpcodeQuery {
		d.answer(m, req.Question[0])
	} else {
		m.Rcode = dns.RcodeFormatError
	}
	size := dns.MinMsgSize
	if o := req.IsEdns0(); o != nil {
		size = max(size, int(o.UDPSize()))
		m.SetEdns0(1232, false)
	}
	if _, tcp := rw.RemoteAddr().(*net.TCPAddr); !tcp {
		m.Truncate(size)
	}
	_ = rw.WriteMsg(m)
}

func (d *dnsServer) answer(m *dns.Msg, q dns.Question) {
	name := nameOf(q.Name)
	if found, exists, known := d.w.records.answer(name, q.Qtype); len(found) > 0 {
		m.Answer = found
		return
	} else if known && !exists {
		d.nothing(m, dns.RcodeNameError)
		return
	} else if known && q.Qtype != dns.TypeMX { // MX is left to the sites
		d.nothing(m, dns.RcodeSuccess)
		return
	}
	if h := d.w.byName[name]; h != nil {
		if q.Qtype == dns.TypeA {
			ip := h.addr.Addr().As4()
			m.Answer = append(m.Answer, &dns.A{Hdr: header(q, dns.TypeA), A: ip[:]})
			return
		}
		d.nothing(m, dns.RcodeSuccess)
		return
	}
	s := d.w.siteOf([]byte(name))
	switch {
	case strings.HasPrefix(name, "_"), strings.HasSuffix(name, ".arpa"), name == "":
		d.nothing(m, dns.RcodeNameError)
	case s == nil || s.Manner.DNS == DNSMissing:
		d.nothing(m, dns.RcodeNameError)
	case s.Manner.DNS == DNSServfail:
		m.Rcode = dns.RcodeServerFailure
	case q.Qtype != dns.TypeMX:
		d.nothing(m, dns.RcodeSuccess)
	case s.Manner.DNS == DNSNullMX:
		m.Answer = append(m.Answer, &dns.MX{Hdr: header(q, dns.TypeMX), Preference: 0, Mx: "."})
	default:
		for i, h := range s.hosts {
			m.Answer = append(m.Answer, &dns.MX{Hdr: header(q, dns.TypeMX), Preference: uint16(10 * (i + 1)), Mx: h.name + "."})
		}
	}
}

// nothing answers with no data: the SOA says for how long that may be remembered (RFC 2308).
func (d *dnsServer) nothing(m *dns.Msg, rcode int) {
	m.Rcode = rcode
	m.Ns = append(m.Ns, &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  "ns.test.", Mbox: "postmaster.ns.test.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl,
	})
}

func header(q dns.Question, t uint16) dns.RR_Header {
	return dns.RR_Header{Name: q.Name, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}
}
