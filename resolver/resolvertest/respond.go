package resolvertest

import (
	"github.com/miekg/dns"
)

// Bounds of the answers sent by UDP: without EDNS, and with it whatever the client takes.
const (
	minimumUDP = 512
	maximumUDP = 4096
)

// Tamper may send other packets than the reply, for tests of what a resolver does with them. It returns
// the packets to be sent, in order; none for silence.
type Tamper func(query, reply *dns.Msg, tcp bool) [][]byte

// SetTamper sets what is sent in place of replies; nil sends the replies.
func (z *Zone) SetTamper(t Tamper) {
	if t == nil {
		z.tamper.Store(nil)
		return
	}
	z.tamper.Store(&t)
}

// Asked returns how many questions have come in.
func (z *Zone) Asked() uint64 { return z.asked.Load() }

// Respond returns the packets to send for one that came in. The first may use the memory of out.
func (z *Zone) Respond(in, out []byte, tcp bool) [][]byte {
	var query, reply dns.Msg
	if err := query.Unpack(in); err != nil || query.Response || len(query.Question) != 1 {
		return nil
	}
	z.asked.Add(1)
	reply.SetReply(&query)
	bad := z.answer(&reply)
	limit := minimumUDP
	if opt := query.IsEdns0(); opt != nil {
		limit = min(max(minimumUDP, int(opt.UDPSize())), maximumUDP)
		reply.SetEdns0(maximumUDP, opt.Do())
	}
	if t := z.tamper.Load(); t != nil {
		return (*t)(&query, &reply, tcp)
	}
	if bad == silent {
		return nil
	}
	reply.Compress = true
	packet, err := reply.PackBuffer(out)
	if err == nil && !tcp && (bad == truncated || len(packet) > limit) {
		reply.Truncated, reply.Answer, reply.Ns = true, nil, nil
		packet, err = reply.PackBuffer(out)
	}
	if err != nil {
		return nil
	}
	return [][]byte{packet}
}
