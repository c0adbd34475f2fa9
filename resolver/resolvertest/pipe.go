package resolvertest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// Dial returns a connection on which the zone answers, by whatever network and address, without a
// socket: for resolver.Config.Dial in tests with virtual time. It ends when the caller closes the connection.
func (z *Zone) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	if network == "tcp" {
		go z.answerStream(ours)
	} else {
		go z.answerPackets(ours)
	}
	return theirs, nil
}

// answerPackets takes each write to the pipe for a packet.
func (z *Zone) answerPackets(c net.Conn) {
	defer c.Close()
	in := make([]byte, udpReadSize)
	for {
		n, err := c.Read(in)
		if err != nil {
			return
		}
		for _, packet := range z.Respond(in[:n], nil, false) {
			if _, err := c.Write(packet); err != nil {
				return
			}
		}
	}
}

func (z *Zone) answerStream(c net.Conn) {
	defer c.Close()
	z.serveConn(c)
}

// tcpIdle is how long a connection may stay without a question.
const tcpIdle = 10 * time.Second

// serveConn answers questions that stand behind their length, as over TCP.
func (z *Zone) serveConn(c net.Conn) {
	var length [2]byte
	for {
		c.SetDeadline(time.Now().Add(tcpIdle))
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		in := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, in); err != nil {
			return
		}
		for _, packet := range z.Respond(in, nil, true) {
			framed := binary.BigEndian.AppendUint16(nil, uint16(len(packet)))
			if _, err := c.Write(append(framed, packet...)); err != nil {
				return
			}
		}
	}
}
