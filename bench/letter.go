package bench

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// The mail of a benchmark carries its number three times: in the addresses, in the content and in
// the X-Bench field, with a checksum of all that follows that field. A message lost, doubled, cut, altered
// or mixed with another is so found from what arrived alone.

// SenderDomain is the domain of all senders; bounces go there.
const SenderDomain = "sender.bench.test"

const (
	benchField = "X-Bench: "
	// benchLine is the field's length: number, checksum and length in hexadecimal, and CRLF.
	benchLine = len(benchField) + 16 + 1 + 8 + 1 + 8 + 2
)

// castagnoli is the polynomial that processors compute by themselves.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// letterMaker writes messages of one size into one buffer.
type letterMaker struct {
	buf []byte
	crc *crc32.Table
	at  []int // where the number stands, 16 hexadecimal digits each

	senders int // domains
	author  int // where the number of the sender's domain stands, 2 hexadecimal digits; 0: nowhere
}

// newLetterMaker makes messages of size bytes in all, at times one more, or as many as the header needs.
func newLetterMaker(size int) *letterMaker { return newLettersOf(size, 1) }

// newLettersOf makes such messages from a number of domains in turn.
func newLettersOf(size, senders int) *letterMaker {
	m := &letterMaker{crc: castagnoli(), senders: senders}
	b := []byte(benchField + "0000000000000000 00000000 00000000\r\n")
	number := func() {
		m.at = append(m.at, len(b))
		b = append(b, "0000000000000000"...)
	}
	m.at = append(m.at, len(benchField))
	b = append(b, "From: load <load@"...)
	if senders > 1 {
		m.author = len(b) + 1
	}
	b = append(b, senderDomain(0, senders)+">\r\nTo: sink:;\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <"...)
	number()
	b = append(b, "@"+SenderDomain+">\r\nSubject: benchmark\r\n\r\n"...)
	number()
	b = append(b, "\r\n"...)
	const tail = 16 + 2
	for i := 0; len(b) < size-tail; i++ {
		line := fmt.Sprintf("line %d of a message that says nothing, at the usual length\r\n", i)
		if i%16 == 7 {
			line = ".." + line // what dot-stuffing is for
		}
		if room := size - tail - len(b); len(line) > room {
			line = line[len(line)-max(room, 2):]
		}
		b = append(b, line...)
	}
	number()
	m.buf = append(b, "\r\n"...)
	return m
}

// make returns message n, valid until the next call.
func (m *letterMaker) make(n uint64) []byte {
	for _, at := range m.at {
		putHex(m.buf[at:at+16], n)
	}
	if m.author > 0 {
		putHex(m.buf[m.author:m.author+2], n%uint64(m.senders))
	}
	rest := m.buf[benchLine:]
	putHex(m.buf[len(benchField)+17:][:8], uint64(crc32.Checksum(rest, m.crc)))
	putHex(m.buf[len(benchField)+26:][:8], uint64(len(rest)))
	return m.buf
}

func putHex(b []byte, n uint64) {
	const digits = "0123456789abcdef"
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
}

// readLetter finds the number of a message that arrived and tells whether all behind the
// X-Bench field is as it was sent. What a relay puts above the field does not matter.
func readLetter(content []byte, crc *crc32.Table) (n uint64, whole bool) {
	i := 0
	if !bytes.HasPrefix(content, []byte(benchField)) {
		if i = bytes.Index(content, []byte("\r\n"+benchField)) + 2; i < 2 {
			return 0, false
		}
	}
	if len(content)-i < benchLine {
		return 0, false
	}
	line := content[i : i+benchLine]
	rest := content[i+benchLine:]
	if n, err := strconv.ParseUint(string(line[len(benchField):][:16]), 16, 64); err == nil {
		sent := fmt.Appendf(nil, "%s%016x %08x %08x\r\n", benchField, n, crc32.Checksum(rest, crc), len(rest))
		return n, bytes.Equal(line, sent)
	}
	return 0, false
}

// appendRecipient appends the k-th recipient of message n: "r3.17@domain".
func appendRecipient(b []byte, n uint64, k int, domain string) []byte {
	b = append(b, 'r')
	b = strconv.AppendUint(b, uint64(k), 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, n, 10)
	b = append(b, '@')
	return append(b, domain...)
}

// appendSender appends the sender of message n: "b17@sender.bench.test", or with several domains "b17@s11.sender.bench.test".
func appendSender(b []byte, n uint64, senders int) []byte {
	b = append(b, 'b')
	b = strconv.AppendUint(b, n, 10)
	b = append(b, '@')
	if senders > 1 {
		b = append(b, "s00."...)
		putHex(b[len(b)-3:len(b)-1], n%uint64(senders))
	}
	return append(b, SenderDomain...)
}

// senderDomain is the domain of the senders of message n.
func senderDomain(n uint64, senders int) string {
	_, domain, _ := strings.Cut(string(appendSender(nil, n, senders)), "@")
	return domain
}

// readRecipient is the reverse of appendRecipient.
func readRecipient(addr string) (n uint64, k int, ok bool) {
	if addr == "" || addr[0] != 'r' {
		return 0, 0, false
	}
	dot, at := -1, -1
	for i := 1; i < len(addr); i++ {
		switch addr[i] {
		case '.':
			if dot < 0 {
				dot = i
			}
		case '@':
			at = i
		}
		if at >= 0 {
			break
		}
	}
	if dot < 0 || at < dot {
		return 0, 0, false
	}
	k, err := strconv.Atoi(addr[1:dot])
	if err != nil || k < 0 {
		return 0, 0, false
	}
	n, err = strconv.ParseUint(addr[dot+1:at], 10, 64)
	return n, k, err == nil
}
