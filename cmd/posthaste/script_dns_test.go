package main

import (
	"net"
	"os"
	"strings"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// startNameServer answers with the records of a zone file, read anew for each question, and puts its address in the
// place of NAMESERVER in another file: nameserver ZONE FILE.
func startNameServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: nameserver ZONE FILE")
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	zone := ts.MkAbs(args[0])
	server := &dns.Server{PacketConn: socket, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(answerFrom(zone, q))
	})}
	go func() { _ = server.ActivateAndServe() }() // ends with Shutdown
	ts.Defer(func() { _ = server.Shutdown() })
	file := ts.MkAbs(args[1])
	text := strings.ReplaceAll(ts.ReadFile(file), "NAMESERVER", socket.LocalAddr().String())
	ts.Check(os.WriteFile(file, []byte(text), 0o600))
}

func answerFrom(zone string, q *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(q)
	reply.RecursionAvailable = true
	text, err := os.ReadFile(zone)
	if err != nil {
		reply.Rcode = dns.RcodeServerFailure
		return reply
	}
	reply.Rcode = dns.RcodeNameError
	parser := dns.NewZoneParser(strings.NewReader(string(text)), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		reply.Rcode = dns.RcodeSuccess
		if kind := rr.Header().Rrtype; kind == q.Question[0].Qtype || kind == dns.TypeCNAME {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	return reply
}
