package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The world of the crash stories: hosts on loopback sockets that receive mail, each with a manner of its
// own. What they do to a recipient follows from its address, so that a second delivery of it meets
// the same answer; when they hang up is drawn at random.

// crashWorld is all receiving hosts.
type crashWorld struct {
	ledger *ledger
	hosts  map[string]*crashHost
	open   atomic.Bool // everything is taken at once and nobody hangs up
	active atomic.Int64
	moment crashMoments

	mu     sync.Mutex
	random *rand.Rand
	hold   chan struct{} // while it is set, hold.test does not answer the end of a message until it is closed
}

// crashDomains are the receiving domains, one host each.
var crashDomains = []string{
	"take.test",   // takes all
	"defer.test",  // defers everybody once or twice
	"drop.test",   // hangs up at any point
	"refuse.test", // refuses some recipients, and some whole messages
	"stuck.test",  // defers all until the world is open
	"sender.test", // takes the bounces
	"hold.test",   // takes all, but see crashWorld.hold
}

type crashHost struct {
	*crashWorld
	domain string
	socket net.Listener
	taken  atomic.Int64 // messages
}

// cut is the point where a host hangs up. Behind the last two it has taken the message, so that another
// delivery of it is nobody's fault.
type cut string

const (
	cutNever    cut = ""
	cutGreeting cut = "before the greeting"
	cutMail     cut = "after MAIL"
	cutRcpt     cut = "after RCPT"
	cutContent  cut = "in the middle of the content"
	cutDot      cut = "at the end of the content, not taken"
	cutAnswered cut = "in good order after the 250"
	cutTaken    cut = "message taken, no reply"
	cutReset    cut = "connection reset right behind the 250"
)

// moment is something that happens in the world and that a story may want to kill the relay at.
type moment string

const (
	momentDot       moment = "a client has sent its last dot"
	momentAccepted  moment = "a client has read its 250"
	momentTaken     moment = "a host has a message and has not answered"
	momentDelivered moment = "a host has answered 250"
	momentDeferred  moment = "a host has deferred a recipient"
	momentRefused   moment = "a host has refused a recipient"
	momentBounce    moment = "a bounce has arrived"
	momentHeld      moment = "hold.test has a message and lets the relay wait for the reply"
)

// crashMoments tells a story of what happens, before anything else goes on.
type crashMoments struct{ watch atomic.Pointer[func(moment)] }

func (m *crashMoments) happens(now moment) {
	if f := m.watch.Load(); f != nil {
		(*f)(now)
	}
}

func startCrashWorld(t *testing.T, seed uint64, l *ledger) *crashWorld {
	t.Helper()
	w := &crashWorld{
		ledger: l, hosts: map[string]*crashHost{},
		random: rand.New(rand.NewPCG(seed, 1)),
	}
	for _, domain := range crashDomains {
		w.hosts[domain] = w.startHost(t, domain)
	}
	return w
}

// startHost starts a host with a domain's manner. Routes decide whether it gets any mail.
func (w *crashWorld) startHost(t *testing.T, domain string) *crashHost {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &crashHost{crashWorld: w, domain: domain, socket: socket}
	t.Cleanup(func() { socket.Close() })
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			w.active.Add(1)
			go func() {
				defer w.active.Add(-1)
				defer conn.Close()
				h.serve(conn)
			}()
		}
	}()
	return h
}

// quiet waits until the hosts have seen the end of every connection of a relay that has ended.
func (w *crashWorld) quiet(t *testing.T) {
	t.Helper()
	eventually(t, "the hosts' connections end", func() bool { return w.active.Load() == 0 })
}

// holdOn begins a hold of hold.test, which ends with the test at last.
func (w *crashWorld) holdOn(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = make(chan struct{})
	t.Cleanup(w.letGo)
}

// letGo ends the hold of hold.test.
func (w *crashWorld) letGo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hold != nil {
		close(w.hold)
		w.hold = nil
	}
}

func (w *crashWorld) chance(percent int) bool { return w.draw(100) < percent }

func (w *crashWorld) draw(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// drawCut decides about one connection.
func (h *crashHost) drawCut() cut {
	cuts := []cut{cutGreeting, cutMail, cutRcpt, cutContent, cutDot, cutAnswered, cutTaken, cutReset}
	if h.open.Load() || h.domain != "drop.test" || h.chance(40) {
		return cutNever
	}
	return cuts[h.draw(len(cuts))]
}

// answerRcpt is the reply to a recipient.
func (h *crashHost) answerRcpt(address string) string {
	switch n, k := numbersOf(address); {
	case h.domain == "stuck.test" && !h.open.Load():
		return "451 4.3.2 not now"
	case h.domain == "defer.test" && h.ledger.tries(address) <= 1+n%2:
		return "451 4.7.1 come back later"
	case refusedAtRcpt(h.domain, n, k):
		return "550 5.1.1 no such user"
	}
	return ""
}

// Some recipients of refuse.test do not exist, and some messages are not wanted by anybody there.
func refusedAtRcpt(domain string, n, k int) bool {
	return domain == "refuse.test" && n%3 != 0 && (n+k)%2 == 0
}
func refusedAtDot(domain string, n int) bool { return domain == "refuse.test" && n%3 == 0 }

// refusedForGood tells whether an address ends in a bounce.
func refusedForGood(address string) bool {
	domain := address[strings.IndexByte(address, '@')+1:]
	n, k := numbersOf(address)
	return refusedAtRcpt(domain, n, k) || refusedAtDot(domain, n)
}

// crashSession is one connection to a host.
type crashSession struct {
	*crashHost
	conn    net.Conn
	in      *bufio.Reader
	cut     cut
	rcpts   []string
	content []byte
}

func (h *crashHost) serve(conn net.Conn) {
	s := &crashSession{crashHost: h, conn: conn, in: bufio.NewReader(conn), cut: h.drawCut()}
	if s.cut == cutGreeting {
		s.reset()
		return
	}
	s.say("220 " + h.domain + " ESMTP")
	for {
		line, err := s.in.ReadString('\n')
		if err != nil || !s.command(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (s *crashSession) say(line string) { _, _ = s.conn.Write([]byte(line + "\r\n")) } // the peer may be dead

// reset ends the connection and throws away what the peer has not read.
func (s *crashSession) reset() {
	_ = s.conn.(*net.TCPConn).SetLinger(0)
	s.conn.Close()
}

// hangUp ends the connection so that the peer surely reads what was said: closing with unread input would
// reset it.
func (s *crashSession) hangUp() {
	_ = s.conn.(*net.TCPConn).CloseWrite()
	_, _ = s.in.WriteTo(nowhere{})
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (s *crashSession) command(line string) bool {
	verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
	switch verb {
	case "EHLO":
		s.say("250-" + s.domain + "\r\n250-PIPELINING\r\n250-8BITMIME" + map[bool]string{true: "\r\n250-CHUNKING"}[s.chance(50)] +
			"\r\n250 ENHANCEDSTATUSCODES")
	case "MAIL":
		if s.cut == cutMail {
			s.reset()
			return false
		}
		s.rcpts, s.content = nil, nil
		s.say("250 2.1.0 ok")
	case "RCPT":
		return s.rcpt(line)
	case "DATA":
		if len(s.rcpts) == 0 {
			s.say("503 5.5.1 no recipients")
			return true
		}
		s.say("354 go on")
		return s.data()
	case "BDAT":
		return s.bdat(line)
	case "RSET":
		s.rcpts, s.content = nil, nil
		s.say("250 2.0.0 ok")
	case "QUIT":
		s.say("221 2.0.0 bye")
		return false
	default:
		s.say("500 5.5.2 what?")
	}
	return true
}

func (s *crashSession) rcpt(line string) bool {
	address := between(line, "<", ">")
	s.ledger.tried(address)
	if s.cut == cutRcpt {
		s.reset()
		return false
	}
	switch refusal := s.answerRcpt(address); {
	case refusal == "":
		s.rcpts = append(s.rcpts, address)
		s.say("250 2.1.5 ok")
	case refusal[0] == '5':
		s.ledger.refused(address)
		s.say(refusal)
		s.moment.happens(momentRefused)
	default:
		s.say(refusal)
		s.moment.happens(momentDeferred)
	}
	return true
}

func (s *crashSession) data() bool {
	for lines := 0; ; lines++ {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		if s.cut == cutContent && lines == 5 {
			s.reset()
			return false
		}
		if string(line) == ".\r\n" {
			return s.end()
		}
		s.content = append(s.content, bytes.TrimPrefix(line, []byte{'.'})...)
	}
}

func (s *crashSession) bdat(line string) bool {
	fields := strings.Fields(line)
	size, err := strconv.Atoi(fields[1])
	if err != nil {
		return false
	}
	if s.cut == cutContent {
		s.reset()
		return false
	}
	chunk := make([]byte, size)
	for n := 0; n < size; {
		k, err := s.in.Read(chunk[n:])
		if err != nil {
			return false
		}
		n += k
	}
	s.content = append(s.content, chunk...)
	switch last := len(fields) == 3; {
	case len(s.rcpts) == 0:
		s.say("503 5.5.1 no recipients")
	case last:
		return s.end()
	default:
		s.say("250 2.0.0 chunk")
	}
	return true
}

// end is the end of a message's content.
func (s *crashSession) end() bool {
	if n, _ := numbersOf(s.rcpts[0]); refusedAtDot(s.domain, n) {
		for _, r := range s.rcpts {
			s.ledger.refused(r)
		}
		s.say("554 5.7.1 nobody wants this")
		s.moment.happens(momentRefused)
		return true
	}
	s.waitForLetGo()
	if s.cut == cutDot {
		s.reset()
		return false
	}
	s.ledger.delivered(s.rcpts, s.content, s.cut == cutTaken || s.cut == cutReset)
	s.taken.Add(1)
	s.moment.happens(momentTaken)
	if s.cut == cutTaken {
		s.reset()
		return false
	}
	s.say(fmt.Sprintf("250 2.0.0 taken, %d bytes", len(s.content)))
	s.rcpts, s.content = nil, nil
	if s.domain == "sender.test" {
		s.moment.happens(momentBounce)
	} else {
		s.moment.happens(momentDelivered)
	}
	switch s.cut {
	case cutReset:
		s.reset()
	case cutAnswered:
		s.hangUp()
	default:
		return true
	}
	return false
}

// waitForLetGo is how hold.test makes a client wait for the reply to its content.
func (s *crashSession) waitForLetGo() {
	s.crashWorld.mu.Lock()
	hold := s.hold
	s.crashWorld.mu.Unlock()
	if s.domain == "hold.test" && hold != nil {
		s.moment.happens(momentHeld)
		<-hold
	}
}

func between(s, left, right string) string {
	_, s, _ = strings.Cut(s, left)
	s, _, _ = strings.Cut(s, right)
	return s
}

// eventually waits until ok, which must become true soon on any machine that works.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
