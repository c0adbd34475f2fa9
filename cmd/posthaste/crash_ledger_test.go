package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ledger is the oracle of the crash stories. It is told what the clients sent and what they were told, what
// the hosts got, and at each stop of the relay what is in its queue and its event log.
//
// Its rule for doubles: each delivery of a recipient but the last must have been in doubt. It is in doubt
// if the host gave no reply that surely arrived, or if the relay was stopped while the recipient was
// still in the queue, and so before the outcome was durable.
type ledger struct {
	mu       sync.Mutex
	letters  map[int]*letter
	fates    map[string]*fate // by address; those of bounces by queue id
	problems []string
	stops    []doubt // one for each time the relay was stopped
	resent   int     // deliveries beyond the first to the same recipient, ...
	byCut    int     // ... of those, after a host gave no reply that surely arrived
	torn     int     // lines of the event log that are torn, as they may be: one at most for each stop
}

// letter is a message of a client.
type letter struct {
	n     int
	rcpts []string
	state letterState
}

type letterState string

const (
	letterBegun      letterState = "without its last dot"
	letterAsked      letterState = "not answered"
	letterAccepted   letterState = "accepted"
	letterTurnedAway letterState = "turned away"
)

// fate is what is known of one recipient: of a letter, or of a bounce.
type fate struct {
	letter     *letter // the bounce's subject, if it is one
	isBounce   bool
	tries      int // RCPT commands
	deliveries int
	inDoubt    bool // another delivery is right
	refused    bool
	bounces    map[string]bool // ids of the bounces that name it
}

// doubt is what one stop of the relay left in doubt, in recipients.
type doubt struct {
	how    string
	queued int
	untold int // delivered and in the queue
}

func newLedger() *ledger {
	return &ledger{letters: map[int]*letter{}, fates: map[string]*fate{}}
}

// problemf notes something that must not be. REQUIRES: l.mu.
func (l *ledger) problemf(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// begin is told of a letter that a client starts to send.
func (l *ledger) begin(x *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.state = letterBegun
	l.letters[x.n] = x
	for _, r := range x.rcpts {
		l.fates[r] = &fate{letter: x, bounces: map[string]bool{}}
	}
}

// became is told of what a client knows of its letter.
func (l *ledger) became(x *letter, state letterState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.state = state
}

func (l *ledger) tried(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fates[address]; f != nil {
		f.tries++
	}
}

func (l *ledger) tries(address string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fates[address]; f != nil {
		return f.tries
	}
	return 0
}

// refused is told of a recipient that a host has refused for good.
func (l *ledger) refused(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.fates[address]; f != nil {
		f.refused = true
	}
}

// delivered is told of a message that a host has got, before it answers. unsure tells that the
// relay may not see the answer.
func (l *ledger) delivered(rcpts []string, content []byte, unsure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasSuffix(rcpts[0], "@sender.test") {
		l.gotBounce(rcpts, content, unsure)
		return
	}
	n, err := readLetter(content)
	x := l.letters[n]
	if err != nil || x == nil {
		l.problemf("corrupted or invented: a message to %v: %v", rcpts, err)
		return
	}
	for _, r := range rcpts {
		switch {
		case !slices.Contains(x.rcpts, r):
			l.problemf("mixed up: message %d was delivered to %s", n, r)
		case x.state == letterBegun || x.state == letterTurnedAway:
			l.problemf("invented: message %d, which was %s, was delivered to %s", n, x.state, r)
		default:
			l.arrived(r, l.fates[r], unsure)
		}
	}
}

// arrived counts a delivery and judges doubles.
func (l *ledger) arrived(name string, f *fate, unsure bool) {
	if f.deliveries > 0 {
		l.resent++
		if !f.inDoubt {
			l.problemf("doubled without any doubt: %s", name)
		}
	}
	f.deliveries++
	f.inDoubt = false
	if unsure {
		f.inDoubt = true
		l.byCut++
	}
}

// gotBounce reads a report (RFC 3464) and notes whom it is about.
func (l *ledger) gotBounce(rcpts []string, content []byte, unsure bool) {
	n, _ := numbersOf(rcpts[0])
	id := between(string(content), "\r\nMessage-ID: <", "@")
	boundary := between(string(content), "boundary=\"", "\"")
	x := l.letters[n]
	if x == nil || len(rcpts) != 1 || id == "" || !bytes.HasSuffix(content, []byte("\r\n--"+boundary+"--\r\n")) {
		l.problemf("corrupted or invented: a bounce to %v:\n%s", rcpts, content)
		return
	}
	f := l.fates[id]
	if f == nil {
		f = &fate{letter: x, isBounce: true}
		l.fates[id] = f
	}
	for _, line := range regexp.MustCompile(`Final-Recipient: rfc822; ?(\S+)`).FindAllSubmatch(content, -1) {
		address := string(line[1])
		if about := l.fates[address]; about == nil || about.letter != x || !refusedForGood(address) {
			l.problemf("invented: a bounce to %s about %s", rcpts[0], address)
		} else {
			about.bounces[id] = true
		}
	}
	l.arrived("the bounce "+id+" to "+rcpts[0], f, unsure)
}

// stopped judges what a relay has left behind, when all its connections are closed.
func (l *ledger) stopped(how string, left *remains) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := doubt{how: how, queued: len(left.queued)}
	for name := range left.queued {
		f := l.fates[name]
		switch {
		case f == nil && left.bounceTo[name] != "": // not delivered yet
			n, _ := numbersOf(left.bounceTo[name])
			f = &fate{letter: l.letters[n], isBounce: true}
			l.fates[name] = f
		case f == nil:
			l.problemf("invented: %s is in the queue", name)
			continue
		}
		if left.ends[name] > 0 {
			l.problemf("told too early: %s has an end in the event log and is in the queue", name)
		}
		if f.deliveries > 0 && !f.inDoubt {
			f.inDoubt = true
			d.untold++
		}
	}
	l.stops = append(l.stops, d)
	if left.badLines > len(l.stops) {
		l.problemf("the event log has %d torn lines after %d stops: %q", left.badLines, len(l.stops), left.badLine)
	}
	l.torn = left.badLines
	for _, x := range l.letters {
		l.checkLetter(x, left)
	}
}

// checkLetter: an accepted letter is in the queue, or its recipients have ended as they should; one that
// was not accepted is wholly here or not at all.
func (l *ledger) checkLetter(x *letter, left *remains) {
	present := 0
	for _, r := range x.rcpts {
		f := l.fates[r]
		queued, ends := left.queued[r], left.ends[r]
		if queued || ends > 0 || f.deliveries > 0 {
			present++
		}
		if queued || ends == 0 && x.state != letterAccepted && f.deliveries == 0 {
			continue
		}
		bounced := len(f.bounces) > 0 || left.hasBounceTo(x.sender())
		switch {
		case f.deliveries == 0 && !(f.refused && bounced):
			l.problemf("lost: %s (message %s) is not in the queue, was not delivered and has no bounce", r, x.state)
		case ends == 0:
			l.problemf("not told: %s has left the queue but has no end in the event log", r)
		case ends > 1:
			l.problemf("told too often: the event log has %d ends of %s", ends, r)
		}
	}
	switch {
	case present > 0 && (x.state == letterBegun || x.state == letterTurnedAway):
		l.problemf("invented: message %d, which was %s, was kept", x.n, x.state)
	case present > 0 && present < len(x.rcpts):
		l.problemf("torn: of message %d (%s), %d of %d recipients are known", x.n, x.state, present, len(x.rcpts))
	}
}

// finished judges the end of a story, when the queue is empty.
func (l *ledger) finished(left *remains) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range left.queued {
		l.problemf("left over: %s is still in the queue", name)
	}
	for name, f := range l.fates {
		switch {
		case f.isBounce:
			if f.deliveries == 0 {
				l.problemf("lost: the bounce %s", name)
			}
			if left.ends[name] == 0 {
				l.problemf("not told: the bounce %s has no end in the event log", name)
			}
		case f.letter.state == letterAccepted || left.ends[name] > 0:
			delivered, bounced := 1, 0
			if refusedForGood(name) {
				delivered, bounced = 0, 1
			}
			if min(f.deliveries, 1) != delivered || len(f.bounces) != bounced {
				l.problemf("wrong end: %s was delivered %d times and has %d bounces, not %d and %d",
					name, f.deliveries, len(f.bounces), delivered, bounced)
			}
		}
	}
}

// allArrived tells whether all accepted recipients and their bounces have arrived, as far as is known.
func (l *ledger) allArrived() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, f := range l.fates {
		switch {
		case f.isBounce && f.deliveries == 0:
			return false
		case f.letter.state == letterAccepted && !f.isBounce && f.deliveries == 0 && (!refusedForGood(name) || len(f.bounces) == 0):
			return false
		}
	}
	return true
}

func (l *ledger) hasProblems() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.problems) > 0
}

// accepted tells how many letters were.
func (l *ledger) accepted() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.letters {
		if x.state == letterAccepted {
			n++
		}
	}
	return n
}

// arrivedAt tells whether all accepted mail to a domain has been delivered.
func (l *ledger) arrivedAt(domain string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, f := range l.fates {
		if strings.HasSuffix(name, "@"+domain) && f.letter.state == letterAccepted && f.deliveries == 0 {
			return false
		}
	}
	return true
}

// lastStop tells what the newest stop has left in doubt.
func (l *ledger) lastStop() doubt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stops[len(l.stops)-1]
}

// verdict fails the test if there were problems and prints the numbers.
func (l *ledger) verdict(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 20
	for _, p := range l.problems[:min(most, len(l.problems))] {
		t.Error(p)
	}
	if n := len(l.problems); n > most {
		t.Errorf("and %d problems more", n-most)
	}
	states := map[letterState]int{}
	for _, x := range l.letters {
		states[x.state]++
	}
	recipients, delivered, bounces := 0, 0, 0
	for _, f := range l.fates {
		switch {
		case f.isBounce:
			bounces++
		default:
			recipients++
			delivered += min(f.deliveries, 1)
		}
	}
	inDoubt, most1 := 0, 0
	for _, d := range l.stops {
		inDoubt += d.untold
		most1 = max(most1, d.untold)
	}
	t.Logf("messages: %d accepted, %d not answered, %d without their last dot, %d turned away",
		states[letterAccepted], states[letterAsked], states[letterBegun], states[letterTurnedAway])
	t.Logf("recipients: %d sent to, %d delivered, %d bounces; problems: %d", recipients, delivered, bounces, len(l.problems))
	t.Logf("doubles: %d; allowed: %d in doubt at %d stops (at most %d at one), %d without a sure reply; torn lines: %d",
		l.resent, inDoubt, len(l.stops), most1, l.byCut, l.torn)
}

// sender is the letter's envelope sender.
func (x *letter) sender() string { return fmt.Sprintf("s%d@sender.test", x.n) }

// content writes the letter: a field with its number and the checksum of all behind that field, then lines
// that cannot be compressed, of which some begin with a dot.
func (x *letter) content(size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nSubject: message %d\r\n\r\n", x.sender(), x.n)
	noise, line := rand.NewChaCha8([32]byte{byte(x.n), byte(x.n >> 8)}), make([]byte, 48)
	for i := 0; b.Len() < size; i++ {
		_, _ = noise.Read(line) // the error is always nil
		fmt.Fprintf(&b, "%s%s\r\n", strings.Repeat(".", i%3), base64.StdEncoding.EncodeToString(line))
	}
	sum := sha256.Sum256(b.Bytes())
	return append(fmt.Appendf(nil, "X-Crash: %d %x\r\n", x.n, sum), b.Bytes()...)
}

// readLetter returns the number of a letter that is as it was sent. What stands above it is the relay's.
func readLetter(content []byte) (n int, err error) {
	const field = "X-Crash: "
	at := bytes.Index(content, []byte(field))
	if at < 0 {
		return 0, fmt.Errorf("no %s in %.300q", field, content)
	}
	line, rest, _ := bytes.Cut(content[at+len(field):], []byte("\r\n"))
	var sum string
	if _, err := fmt.Sscanf(string(line), "%d %s", &n, &sum); err != nil {
		return 0, err
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(rest)); got != sum {
		return n, fmt.Errorf("message %d: its checksum does not fit", n)
	}
	return n, nil
}

// numbersOf reads an address: r7.2@... is recipient 2 of message 7, s7@... its sender.
func numbersOf(address string) (n, k int) {
	if _, err := fmt.Sscanf(address, "r%d.%d@", &n, &k); err != nil {
		_, _ = fmt.Sscanf(address, "s%d@", &n) // any other address is message 0, which there is not
	}
	return n, k
}
