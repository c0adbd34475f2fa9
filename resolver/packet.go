package resolver

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// udpSize is the size of answer we tell servers to send by UDP at most: what passes everywhere
// without being cut into fragments, which can be forged (dnsflagday.net/2020).
const udpSize = 1232

const headerLength = 12

var (
	// errNotOurs marks a packet that does not belong to the question: late, forged or lost its way. It is
	// no reason to stop waiting.
	errNotOurs   = errors.New("packet does not belong to the question")
	errTruncated = errors.New("truncated answer")
	errMalformed = errors.New("malformed answer")
)

// packQuery returns q as a message. The AD bit asks the server for its DNSSEC verdict (RFC 6840 5.7),
// the DO bit for the signatures as well.
func packQuery(q question, id uint16, edns, dnssec bool) ([]byte, error) {
	m := dns.Msg{MsgHdr: dns.MsgHdr{Id: id, RecursionDesired: true, AuthenticatedData: true}}
	m.Question = []dns.Question{{Name: q.name + ".", Qtype: q.qtype, Qclass: dns.ClassINET}}
	if edns {
		m.SetEdns0(udpSize, dnssec)
	}
	b, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("resolver: question %s: %w", q, err)
	}
	return b, nil
}

// readAnswer reads a packet that came in after q was asked under id. The error is errNotOurs for a
// packet to be ignored; errTruncated when the answer must be asked for by TCP; a rcodeError for an error
// message; errMalformed when the server sent junk.
func readAnswer(packet []byte, id uint16, q question) (*dns.Msg, error) {
	if len(packet) < headerLength || binary.BigEndian.Uint16(packet) != id {
		return nil, errNotOurs
	}
	var m dns.Msg
	unpackErr := m.Unpack(packet)
	if !m.Response || m.Opcode != dns.OpcodeQuery {
		return nil, errNotOurs
	}
	if len(m.Question) == 0 && m.Rcode == dns.RcodeFormatError {
		return nil, rcodeError(m.Rcode) // an old server that could not read the question
	}
	if !answers(&m, q) {
		return nil, errNotOurs
	}
	switch {
	case m.Truncated:
		return nil, errTruncated
	case unpackErr != nil:
		return nil, fmt.Errorf("%w: %w", errMalformed, unpackErr)
	case !complete(packet, &m):
		return nil, fmt.Errorf("%w: records are missing", errMalformed)
	case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
		return nil, rcodeError(m.Rcode)
	}
	return &m, nil
}

// answers tells whether m repeats q, as every answer must.
func answers(m *dns.Msg, q question) bool {
	if len(m.Question) != 1 {
		return false
	}
	got := m.Question[0]
	return got.Qtype == q.qtype && got.Qclass == dns.ClassINET && sameName(got.Name, q.name)
}

// complete tells whether m has as many records as its header says. The codec is content with fewer, and
// an answer cut short would then read as "no such record", which can bounce mail.
func complete(packet []byte, m *dns.Msg) bool {
	count := func(at int) int { return int(binary.BigEndian.Uint16(packet[at:])) }
	return count(6) == len(m.Answer) && count(8) == len(m.Ns) && count(10) == len(m.Extra)
}
