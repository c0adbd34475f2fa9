package relay

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// manners says how often a worldHost does what, each from 0 to 1. The zero value is a perfect host.
type manners struct {
	Refuse       float64 // no connection
	BadGreeting  float64 // 421 or 554 for a greeting
	Stall        float64 // says nothing any more, at any command
	Drop         float64 // closes the connection, at any command
	Closing      float64 // 421, at any command
	Temporary    float64 // 4yz, to any command
	Permanent    float64 // 5yz to RCPT and to the end of the data
	DropUntold   float64 // takes the message and closes without a reply
	CloseIdle    float64 // closes after a reply to the end of the data
	OutOfStep    float64 // 503 to RCPT
	FakeChunking bool    // offers CHUNKING and does not know it
	Extensions   []string
}

// worldHost is a receiving host of a random world.
type worldHost struct {
	world *world
	site  string
	addr  netip.Addr
	lmtp  bool // it is a mail store
	manners
}

// worldConn is the client's end of a connection; closing it once is what the limits count.
type worldConn struct {
	net.Conn
	closed func()
	once   sync.Once
}

func (c *worldConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// serve answers one connection.
func (h *worldHost) serve(conn net.Conn) {
	defer conn.Close()
	s := &worldSession{host: h, conn: conn, in: bufio.NewReader(conn)}
	if h.world.chance(h.BadGreeting) {
		s.say([]string{"421 4.3.2 not now", "554 5.3.2 never", "421 4.7.0 too many"}[h.world.intn(3)])
		return
	}
	for alive := s.say("220 " + h.addr.String()); alive; {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		alive = s.command(strings.TrimSpace(line))
	}
}

// worldSession is one connection of a worldHost.
type worldSession struct {
	host  *worldHost
	conn  net.Conn
	in    *bufio.Reader
	open  bool // a transaction
	from  string
	rcpts []string
	mails int
	// confused is the transaction in which we said 503: what the relay had in flight behind it, it does not
	// wait to hear of.
	confused int
}

func (s *worldSession) say(text string) bool {
	_, err := io.WriteString(s.conn, text+"\r\n")
	return err == nil
}

// command answers one command; false ends the connection.
func (s *worldSession) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	h, w := s.host, s.host.world
	verb = strings.ToUpper(verb)
	body := 0
	if verb == "BDAT" { // its content comes whatever we say
		size, _, _ := strings.Cut(rest, " ")
		body, _ = strconv.Atoi(size)
	}
	switch {
	case verb == "QUIT":
		s.say("221 2.0.0 bye")
		return false
	case verb == "LHLO" && !h.lmtp, verb == "EHLO" && h.lmtp:
		w.wrong("%v was told %s", h.addr, verb)
		return false
	case verb == "EHLO", verb == "LHLO":
		lines := append([]string{"host"}, h.Extensions...)
		for i, l := range lines[:len(lines)-1] {
			lines[i] = "250-" + l
		}
		lines[len(lines)-1] = "250 " + lines[len(lines)-1]
		return s.say(strings.Join(lines, "\r\n"))
	case verb == "RSET":
		s.open = false
		return s.say("250 2.0.0 Ok")
	case w.chance(h.Drop):
		return false
	case w.chance(h.Closing):
		s.say("421 4.3.2 closing")
		return false
	case w.chance(h.Stall):
		io.Copy(io.Discard, s.conn)
		return false
	case verb == "BDAT" && h.FakeChunking:
		if s.say("502 5.5.1 no BDAT"); s.discard(body) != nil {
			return false
		}
		return true
	case verb == "MAIL":
		s.mails++
		w.started(s)
	}
	if w.chance(h.Temporary) {
		if s.discard(body) != nil {
			return false
		}
		for range len(s.rcpts) - 1 {
			if h.lmtp && verb == "BDAT" && s.open && !s.say("450 4.2.0 later") {
				return false
			}
		}
		return s.say("450 4.2.0 later")
	}
	switch verb {
	case "MAIL":
		if s.open {
			w.wrong("%v: MAIL within a transaction", h.addr)
		}
		s.open, s.rcpts = true, nil
		if strings.Contains(rest, "BODY=") && !slices.Contains(h.Extensions, "8BITMIME") {
			w.wrong("%v was told %s", h.addr, rest)
		}
		s.from = between(rest)
		return s.say("250 2.1.0 Ok")
	case "RCPT":
		switch {
		case !s.open:
			return s.say("503 5.5.1 MAIL first")
		case w.chance(h.OutOfStep):
			s.confused = cmp.Or(s.confused, s.mails)
			return s.say("503 5.5.1 I am confused")
		case w.chance(h.Permanent):
			return s.say("550 5.1.1 no such user")
		}
		s.rcpts = append(s.rcpts, between(rest))
		return s.say("250 2.1.5 Ok")
	case "DATA":
		if !s.open || len(s.rcpts) == 0 {
			return s.say("503 5.5.1 RCPT first")
		}
		if !s.say("354 go") {
			return false
		}
		content, err := readDots(s.in)
		return err == nil && s.take(content)
	case "BDAT":
		content := make([]byte, body)
		if _, err := io.ReadFull(s.in, content); err != nil {
			return false
		}
		if !s.open || len(s.rcpts) == 0 {
			return s.say("503 5.5.1 RCPT first")
		}
		return s.take(string(content))
	}
	return s.say("500 5.5.1 what")
}

func (s *worldSession) discard(n int) error {
	_, err := s.in.Discard(n)
	return err
}

// take decides about a complete message.
func (s *worldSession) take(content string) bool {
	h, w := s.host, s.host.world
	s.open = false
	if h.lmtp {
		return s.takeEach(content)
	}
	switch {
	case w.chance(h.Temporary):
		return s.say("451 4.3.0 not now")
	case w.chance(h.Permanent):
		return s.say("554 5.6.0 I do not like it")
	case w.chance(h.DropUntold):
		w.took(s, content, false)
		return false
	}
	told := s.say("250 2.0.0 taken")
	w.took(s, content, told)
	return told && !w.chance(h.CloseIdle)
}

// takeEach decides about a complete message for each recipient.
func (s *worldSession) takeEach(content string) bool {
	h, w := s.host, s.host.world
	if len(s.rcpts) > w.perTransaction {
		w.wrong("%d recipients in one transaction", len(s.rcpts))
	}
	for _, one := range s.rcpts {
		s.rcpts = []string{one}
		alive := true
		switch {
		case w.chance(h.Closing):
			s.say("421 4.3.2 closing")
			return false
		case w.chance(h.Temporary):
			alive = s.say("452 4.2.2 full")
		case w.chance(h.Permanent):
			alive = s.say("554 5.6.0 I do not like it")
		case w.chance(h.DropUntold):
			w.took(s, content, false)
			return false
		default:
			alive = s.say("250 2.0.0 taken")
			w.took(s, content, alive)
		}
		if !alive {
			return false
		}
	}
	return !w.chance(h.CloseIdle)
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// readDots reads the content of DATA.
func readDots(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return b.String(), err
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

// dial connects to a host of the world, and counts what the limits are about.
func (w *world) dial(addr netip.AddrPort) (net.Conn, error) {
	h := w.hosts[addr.Addr()]
	if w.chance(h.Refuse) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connection refused")}
	}
	w.mu.Lock()
	w.open[h.site]++
	w.openAll++
	if n, most := w.open[h.site], w.allowed(); n > most {
		w.wrongLocked("%d connections to %s, %d are allowed", n, h.site, most)
	}
	if w.openAll > w.process {
		w.wrongLocked("%d connections, %d are allowed", w.openAll, w.process)
	}
	w.mu.Unlock()
	ours, theirs := smtptest.Pipe()
	go h.serve(theirs)
	return &worldConn{Conn: ours, closed: func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open[h.site]--
		w.openAll--
	}}, nil
}

// started notes that a transaction was begun.
func (w *world) started(s *worldSession) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if most := w.perConnection; most > 0 && s.mails > most {
		w.wrongLocked("transaction %d on one connection, %d are allowed", s.mails, most)
	}
}

// took notes what a host has taken, and whether it could say so.
func (w *world) took(s *worldSession, content string, told bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(s.rcpts) > w.perTransaction {
		w.wrongLocked("%d recipients in one transaction", len(s.rcpts))
	}
	if message.Has8Bit([]byte(content)) && !slices.Contains(s.host.Extensions, "8BITMIME") {
		w.wrongLocked("%v was given 8-bit content", s.host.addr)
	}
	for _, r := range s.rcpts {
		if told {
			w.taken[r]++
		}
		if !told || s.confused > 0 && s.mails > s.confused {
			w.doubted[r]++
		}
	}
	if s.from != "" {
		return
	}
	var about, kind string
	for line := range strings.SplitSeq(content, "\r\n") {
		if v, ok := strings.CutPrefix(line, "Final-Recipient: rfc822; "); ok {
			about = v
		}
		if v, ok := strings.CutPrefix(line, "Action: "); ok {
			kind = v
			w.reports[kind+" "+about]++
		}
	}
}

func (w *world) wrong(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrongLocked(format, args...)
}

func (w *world) wrongLocked(format string, args ...any) { w.t.Errorf(format, args...) }

// chance is true with probability p.
func (w *world) chance(p float64) bool {
	if p == 0 {
		return false
	}
	w.diceMu.Lock()
	defer w.diceMu.Unlock()
	return w.dice.Float64() < p
}

func (w *world) intn(n int) int {
	w.diceMu.Lock()
	defer w.diceMu.Unlock()
	return w.dice.IntN(n)
}

// between returns a duration from a to b.
func (w *world) span(a, b time.Duration) time.Duration { return a + time.Duration(w.intn(int(b-a)+1)) }

func newDice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
