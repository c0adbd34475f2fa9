package resolver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/miekg/dns"
)

// maxIgnored is how many packets that do not belong are read in one try. More than that is someone
// guessing at our port and id; TCP is then safe from guesses.
const maxIgnored = 32

var (
	errFlood = errors.New("too many packets that do not belong to the question")
	// errLocal marks a fault of this machine, such as no file descriptor left: the server is not to blame.
	errLocal = errors.New("cannot send")
)

// udp asks s once by UDP. Each question has a socket, and with it a port drawn by the kernel, of its own,
// and a random id: whoever wants to forge an answer has to guess 30 bits or so while the question is
// open (RFC 5452). A kept socket would save some 10 us a question and show its port to those who probe.
func (t *transport) udp(ctx context.Context, s *server, q question, edns bool) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	id := uint16(rand.Uint32()) // the top-level generator is ChaCha8 with a seed from the system
	query, err := packQuery(q, id, edns, t.dnssec)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial(ctx, "udp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLocal, err)
	}
	defer conn.Close()
	defer endWith(ctx, conn)()
	t.metrics.queries.Add(1)
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	return t.await(conn, id, q)
}

// await reads until the answer is there or the connection's deadline is over.
func (t *transport) await(conn net.Conn, id uint16, q question) (*dns.Msg, error) {
	var buf [4096]byte // more than we told the server we take
	for range maxIgnored {
		n, err := conn.Read(buf[:])
		if err != nil {
			return nil, err
		}
		m, err := readAnswer(buf[:n], id, q)
		if !errors.Is(err, errNotOurs) {
			return m, err
		}
		t.metrics.ignored.Add(1)
	}
	return nil, errFlood
}

// tcp asks s once by TCP, on a connection of its own: answers that do not fit into a packet are rare.
func (t *transport) tcp(ctx context.Context, s *server, q question, edns bool) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	id := uint16(rand.Uint32())
	query, err := packQuery(q, id, edns, t.dnssec)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer endWith(ctx, conn)()
	t.metrics.queries.Add(1)
	t.metrics.tcpQueries.Add(1)
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(query)+2), uint16(len(query)))
	if _, err := conn.Write(append(framed, query...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, packet); err != nil {
		return nil, err
	}
	m, err := readAnswer(packet, id, q)
	if errors.Is(err, errTruncated) || errors.Is(err, errNotOurs) { // makes no sense by TCP
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return m, err
}

// endWith makes reads and writes on conn fail when ctx ends. The function it returns lets go of ctx.
func endWith(ctx context.Context, conn net.Conn) (release func()) {
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return func() { stop() }
}
