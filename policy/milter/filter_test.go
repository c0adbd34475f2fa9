package milter

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	wire "github.com/emersion/go-milter"
)

// filter is a scripted milter. It records what it is shown and answers each command with the packets of its script;
// a command that is not in it is answered with continue.
type filter struct {
	version uint32
	actions wire.OptAction
	steps   wire.OptProtocol
	script  map[wire.Code][]byte // raw bytes of the answer
	limit   int                  // hang up after so many connections' worth of messages; 0: never

	mu    sync.Mutex
	shown []string
	conns int
}

func newFilter() *filter {
	return &filter{version: version, actions: offeredActions, script: map[wire.Code][]byte{}}
}

// frame makes packets of a code and data each.
func frame(packets ...string) []byte {
	var out []byte
	for _, p := range packets {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}

// at is the data of a change with an index.
func at(code string, index uint32, rest string) string {
	return code + string(binary.BigEndian.AppendUint32(nil, index)) + rest
}

// dial connects to the filter over a pipe.
func (f *filter) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	f.mu.Lock()
	f.conns++
	f.mu.Unlock()
	go f.serve(theirs) // ends when the scanner closes its side
	return ours, nil
}

func (f *filter) serve(n net.Conn) {
	defer n.Close()
	r, ends := bufio.NewReader(n), 0
	for {
		budget := int64(maxPacket)
		p, err := readPacket(r, &budget)
		if err != nil {
			return
		}
		f.note(p)
		answer := f.answer(p)
		if len(answer) > 0 {
			if _, err := n.Write(answer); err != nil {
				return
			}
		}
		if wire.Code(p.code) == wire.CodeEOB {
			if ends++; ends == f.limit {
				return
			}
		}
	}
}

func (f *filter) answer(p packet) []byte {
	code := wire.Code(p.code)
	if answer, ok := f.script[code]; ok {
		return answer
	}
	switch code {
	case wire.CodeOptNeg:
		var b [12]byte
		binary.BigEndian.PutUint32(b[:], f.version)
		binary.BigEndian.PutUint32(b[4:], uint32(f.actions))
		binary.BigEndian.PutUint32(b[8:], uint32(f.steps))
		return frame("O" + string(b[:]))
	case wire.CodeMacro, wire.CodeAbort, wire.CodeQuit:
		return nil
	case wire.CodeHeader:
		if f.steps&wire.OptNoHeaderReply != 0 {
			return nil
		}
	case wire.CodeBody:
		if f.steps&wire.OptNoBodyReply != 0 {
			return nil
		}
	}
	return frame("c")
}

func (f *filter) note(p packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wire.Code(p.code) == wire.CodeOptNeg {
		f.shown = append(f.shown, "O")
		return
	}
	f.shown = append(f.shown, strings.ReplaceAll(fmt.Sprintf("%c %q", p.code, p.data), `\x00`, "|"))
}

func (f *filter) dialogue() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.shown, "\n") + "\n"
}

func (f *filter) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// scanner returns a Scanner that asks the filter.
func (f *filter) scanner(t testing.TB, o Options) *Scanner {
	t.Helper()
	if o.Dial == nil {
		o.Dial = f.dial
	}
	o.Name, o.Hostname = "test", "relay.example"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

const content = "From: ann@a.example\r\nSubject: one\r\n  two\r\nX-Old: 1\r\nX-Old: 2\r\n\r\nHello\r\n"

// letter is the message of most tests.
func letter() Message {
	return Message{
		Session: Session{
			Listener: "mx", ClientAddr: netip.MustParseAddrPort("192.0.2.7:4711"), ClientName: "mail.a.example",
			HELO: "mail.a.example", TLSVersion: "TLSv1.3", TLSCipher: "TLS_AES_128_GCM_SHA256", TLSBits: 128,
			AuthName: "ann", AuthType: "PLAIN", LocalAddr: netip.MustParseAddrPort("192.0.2.1:25"),
		},
		QueueID: "Q1", Sender: "ann@a.example", Recipients: []string{"bob@b.example", "cat@c.example"},
		Content: []byte(content),
	}
}

// hangUp is a connection that gives the filter's bytes and then ends, whatever it is told.
type hangUp struct {
	net.Conn
	r io.Reader
}

func (h *hangUp) Read(b []byte) (int, error) { return h.r.Read(b) }
