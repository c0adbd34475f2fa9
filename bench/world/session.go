package world

import (
	"crypto/tls"
	"net"
	"strings"
	"time"
)

const (
	firstBuffer   = 16 << 10 // holds most messages; grows to the largest message met
	maxLine       = 64 << 10 // of a command
	maxRecipients = 10_000
	idleTimeout   = 10 * time.Minute
	deadlineEvery = time.Minute // a deadline costs a timer; once a minute is exact enough
	writeTimeout  = time.Minute
	greetingTrips = 2 // round trips until a greeting is there: TCP's handshake is one of them
)

// session is one connection to a receiving host.
type session struct {
	w      *World
	h      *host
	conn   net.Conn
	manner Manner  // of the host's site, or of the first recipient's when hosts share an address
	box    *outbox // nil while no manner delays replies
	cut    cut
	drawn  bool // cut was decided
	isTLS  bool

	in       []byte // unread input is in[r:e]
	r, e     int
	out      []byte
	deadline time.Time

	started    bool // MAIL was accepted
	sender     string
	recipients []string
	lastDomain []byte // of the newest recipient, with its site
	lastSite   *site
	chunks     []byte // BDAT content so far
	chunked    int    // BDAT commands so far
}

func newSession(w *World, h *host, conn net.Conn) *session {
	s := &session{w: w, h: h, conn: conn, in: make([]byte, firstBuffer)}
	if !w.shared {
		s.adopt(h.site)
	}
	return s
}

// adopt takes on the manner of a site for the rest of the connection.
func (s *session) adopt(site *site) {
	s.manner = site.Manner
	s.cut = site.drawCut(s.w.cfg.Seed)
	s.drawn = true
}

func (s *session) run() {
	s.w.stats.connections.Add(1)
	defer func() {
		if s.box != nil {
			s.box.close()
		}
	}()
	if s.cutHere(cutGreeting) {
		return
	}
	s.reply("220 ", s.h.name, " ESMTP small world")
	if !s.flush(greetingTrips) {
		return
	}
	for {
		line, ok := s.line()
		if !ok || !s.command(line) {
			s.flush(1)
			return
		}
	}
}

// command carries out one command line and tells whether to go on.
func (s *session) command(line []byte) bool {
	verb, arg := splitVerb(line)
	switch verb {
	case "MAIL":
		return s.mail(arg)
	case "RCPT":
		return s.rcpt(arg)
	case "DATA":
		return s.data()
	case "BDAT":
		return s.bdat(arg)
	case "EHLO":
		s.reset()
		s.ehlo()
	case "HELO":
		s.reset()
		s.reply("250 ", s.h.name)
	case "RSET":
		s.reset()
		s.reply("250 2.0.0 Ok")
	case "NOOP":
		s.reply("250 2.0.0 Ok")
	case "QUIT":
		s.reply("221 2.0.0 Bye")
		return false
	case "STARTTLS":
		return s.startTLS()
	default:
		s.reply("500 5.5.1 Unknown command")
	}
	return true
}

func (s *session) ehlo() {
	s.reply("250-", s.h.name)
	if !s.manner.NoPipelining {
		s.reply("250-PIPELINING")
	}
	if !s.manner.NoChunking {
		s.reply("250-CHUNKING")
	}
	if s.manner.StartTLS && !s.isTLS {
		s.reply("250-STARTTLS")
	}
	s.reply("250-8BITMIME")
	s.reply("250-SMTPUTF8")
	s.reply("250-DSN")
	s.reply("250-ENHANCEDSTATUSCODES")
	s.reply("250 SIZE")
}

func (s *session) mail(arg []byte) bool {
	path, ok := pathOf(arg)
	switch {
	case s.started:
		s.reply("503 5.5.1 Nested MAIL")
	case !ok:
		s.reply("501 5.1.7 Bad sender")
	case s.cutHere(cutMail):
		return false
	default:
		s.started, s.sender = true, string(path)
		s.reply("250 2.1.0 Ok")
	}
	return true
}

func (s *session) rcpt(arg []byte) bool {
	path, ok := pathOf(arg)
	switch {
	case !s.started:
		s.reply("503 5.5.1 MAIL first")
		return true
	case !ok || len(path) == 0:
		s.reply("501 5.1.3 Bad recipient")
		return true
	case len(s.recipients) >= maxRecipients:
		s.reply("452 4.5.3 Too many recipients")
		return true
	}
	rcpt := string(path)
	site := s.route(rcpt)
	if site == nil {
		s.refuse(rcpt, "550 5.7.1 No such domain here")
		return true
	}
	if s.cutHere(cutRecipient) {
		return false
	}
	now := time.Time{}
	if site.Manner.Greylist > 0 {
		now = time.Now()
	}
	if r := site.judge(s.w.cfg.Seed, now, s.sender, rcpt); r != replyRecipient {
		s.refuse(rcpt, r)
		return true
	}
	s.recipients = append(s.recipients, rcpt)
	s.reply(string(replyRecipient))
	return true
}

// route finds the recipient's site; the newest answer is kept, for most connections carry one domain.
func (s *session) route(rcpt string) *site {
	domain := rcpt[strings.LastIndexByte(rcpt, '@')+1:]
	if s.lastSite == nil || string(s.lastDomain) != domain {
		s.lastDomain = append(s.lastDomain[:0], domain...)
		s.lastSite = s.w.siteOf([]byte(strings.ToLower(domain)))
	}
	if s.lastSite == nil {
		return nil
	}
	if !s.drawn {
		s.adopt(s.lastSite)
	}
	if !s.w.shared && !s.lastSite.has(s.h) {
		s.w.stats.misrouted.Add(1)
	}
	return s.lastSite
}

func (s *session) refuse(rcpt string, r reply) {
	s.w.stats.refused.Add(1)
	if f := s.w.cfg.OnRefused; f != nil {
		f(Refusal{Host: s.h.name, Recipient: rcpt, Code: int(r[0]-'0')*100 + int(r[1]-'0')*10 + int(r[2]-'0')})
	}
	s.reply(string(r))
}

// take hands over one whole message.
func (s *session) take(content []byte) bool {
	if s.cutHere(cutFinalReply) {
		return false
	}
	st := &s.w.stats
	st.messages.Add(1)
	st.recipients.Add(uint64(len(s.recipients)))
	st.bytes.Add(uint64(len(content)))
	m := Message{Host: s.h.name, Sender: s.sender, Recipients: s.recipients, Content: content, TLS: s.isTLS, Time: time.Now()}
	if f := s.w.cfg.OnMessage; f != nil {
		f(&m)
	}
	s.w.capture.add(&m)
	s.cut = cutNever
	s.reset()
	s.reply("250 2.0.0 Ok: received")
	return true
}

func (s *session) reset() {
	s.started, s.sender = false, ""
	clear(s.recipients)
	s.recipients = s.recipients[:0]
	s.chunks, s.chunked = s.chunks[:0], 0
}

// cutHere tells whether the connection ends at this point, by the site's manner.
func (s *session) cutHere(p cut) bool {
	if s.cut != p {
		return false
	}
	s.w.stats.dropped.Add(1)
	s.out = s.out[:0]
	return true
}

func (s *session) startTLS() bool {
	if !s.manner.StartTLS || s.isTLS {
		s.reply("502 5.5.1 Not offered")
		return true
	}
	s.reply("220 2.0.0 Go ahead")
	if !s.flush(1) {
		return false
	}
	if s.box != nil {
		s.box.close()
		s.box = nil
	}
	s.r, s.e = 0, 0 // what came glued to STARTTLS was not said in private
	t := tls.Server(s.conn, s.w.cert)
	if err := t.HandshakeContext(s.w.ctx); err != nil {
		return false
	}
	s.conn, s.isTLS = t, true
	s.reset()
	return true
}
