package smtp

import (
	"math"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// clientStep is what of a transaction is to be written next.
type clientStep uint8

const (
	stepMail clientStep = iota
	stepRcpt
	stepData    // DATA, or BDAT with the content
	stepContent // the content after DATA, once its reply is there
	stepWritten // nothing more
)

// clientSlot is one transaction on its way: how far it is written and how far it is answered. As
// a peer answers in the order of the commands, counting both tells which command a reply is for.
type clientSlot struct {
	tx     *Transaction
	status []message.Status // what the caller gets; Code 0 until a recipient's end is known
	taken  []bool           // RCPT was answered positively

	step    clientStep
	next    int   // the recipient to name next
	answer  int   // the recipient whose RCPT is to be answered next
	end     int64 // the stream's offset behind the end of data
	chunked bool
	utf8    bool
	size    int64

	wrote, read [PhaseFinal + 1]int // commands and replies, by phase

	refused  bool // MAIL was
	accepted int  // recipients taken
	granted  bool // DATA was answered with 354
	final    int  // in LMTP, where to look for the recipient of the next reply to the end of the data
	trace    Trace
}

// notSent is the end of a transaction whose end of data was not written.
const notSent = math.MaxInt64

// reset makes the slot one for tx, keeping its memory.
func (s *clientSlot) reset(tx *Transaction) {
	taken := s.taken[:0]
	for range tx.Recipients {
		taken = append(taken, false)
	}
	*s = clientSlot{tx: tx, taken: taken, end: notSent, status: make([]message.Status, len(tx.Recipients))}
}

// awaits returns the phase of the oldest command without a reply, PhaseIdle if there is none.
func (s *clientSlot) awaits() Phase {
	for p := PhaseReset; p <= PhaseFinal; p++ {
		if s.read[p] < s.wrote[p] {
			return p
		}
	}
	return PhaseIdle
}

// done tells that no reply can change the slot any more.
func (s *clientSlot) done() bool { return s.step == stepWritten && s.awaits() == PhaseIdle }

// skipDecided moves i past the recipients that we refused ourselves, which are not named.
func (s *clientSlot) skipDecided(i int) int {
	for i < len(s.status) && s.status[i].Code != 0 && !s.status[i].Remote {
		i++
	}
	return i
}

// refuse gives st to every recipient that has no end yet.
func (s *clientSlot) refuse(st message.Status) {
	for i := range s.status {
		if s.status[i].Code == 0 {
			s.status[i] = st
		}
	}
}

// conclude gives st to every recipient that the peer had taken.
func (s *clientSlot) conclude(st message.Status) {
	for i, taken := range s.taken {
		if taken && s.status[i].Code == 0 {
			s.status[i] = st
		}
	}
}

// since stamps the trace.
func (s *clientSlot) since(now time.Time) time.Duration { return now.Sub(s.trace.Start) }
