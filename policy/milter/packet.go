package milter

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxPacket bounds one packet of a filter, in bytes. libmilter sends at most 64 KiB.
const maxPacket = 1 << 20

// errProtocol marks what a filter must not send.
var errProtocol = errors.New("protocol error")

// packet is one command or answer: four bytes of length, which counts the code, the code, and the data.
type packet struct {
	code byte
	data []byte
}

// readPacket reads a packet; budget is what the filter may still send, and is less afterwards.
func readPacket(r *bufio.Reader, budget *int64) (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return packet{}, err
	}
	length := int64(binary.BigEndian.Uint32(head[:]))
	switch {
	case length == 0:
		return packet{}, fmt.Errorf("%w: a packet without a code", errProtocol)
	case length > maxPacket:
		return packet{}, fmt.Errorf("%w: a packet of %d bytes, more than %d", errProtocol, length, maxPacket)
	case length > *budget:
		return packet{}, fmt.Errorf("%w: the filter sends more than it may for one message", errProtocol)
	}
	*budget -= length
	b := make([]byte, length)
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return packet{}, err
	}
	return packet{b[0], b[1:]}, nil
}

// writePacket writes a packet whose data are some parts in a row.
func writePacket(w *bufio.Writer, code byte, parts ...[]byte) error {
	length := 1
	for _, p := range parts {
		length += len(p)
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(length))
	head[4] = code
	// bufio keeps the first error for the write that is looked at.
	_, err := w.Write(head[:])
	for _, p := range parts {
		_, err = w.Write(p)
	}
	return err
}

// cstring appends a text with the zero that ends it. A zero within would hide the rest from the filter.
func cstring(b []byte, s string) []byte {
	start := len(b)
	b = append(b, s...)
	for i := start; i < len(b); i++ {
		if b[i] == 0 {
			b[i] = '?'
		}
	}
	return append(b, 0)
}

// cutCString returns the text in front of the next zero and what comes after it. Without a zero it is all text,
// which some filters send.
func cutCString(data []byte) (text string, rest []byte) {
	before, after, _ := bytes.Cut(data, []byte{0})
	return string(before), after
}
