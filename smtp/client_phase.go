package smtp

import (
	"errors"
	"time"
)

// Timeouts bound the wait in each phase of a dialogue (RFC 5321 4.5.3.2). Zero takes the default,
// which is the RFC's minimum where it names one.
type Timeouts struct {
	Greeting  time.Duration // the 220 of a new connection: 5 min
	EHLO      time.Duration // EHLO, HELO, RSET, each reply to AUTH: 5 min
	StartTLS  time.Duration // STARTTLS and its handshake, for which the RFC has no number: 1 min
	Mail      time.Duration // MAIL: 5 min
	Rcpt      time.Duration // RCPT: 5 min
	DataInit  time.Duration // DATA to 354: 2 min
	DataBlock time.Duration // each write of at most 256 KiB: 3 min
	DataEnd   time.Duration // the end of the data to its reply: 10 min
	Quit      time.Duration // QUIT: 5 s, as nothing depends on its reply
}

// withDefaults returns t with each zero replaced.
func (t Timeouts) withDefaults() Timeouts {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&t.Greeting, 5*time.Minute)
	def(&t.EHLO, 5*time.Minute)
	def(&t.StartTLS, time.Minute)
	def(&t.Mail, 5*time.Minute)
	def(&t.Rcpt, 5*time.Minute)
	def(&t.DataInit, 2*time.Minute)
	def(&t.DataBlock, 3*time.Minute)
	def(&t.DataEnd, 10*time.Minute)
	def(&t.Quit, 5*time.Second)
	return t
}

// Phase is the step of the dialogue in which something happened.
type Phase uint8

const (
	PhaseIdle Phase = iota
	PhaseGreeting
	PhaseEHLO
	PhaseStartTLS
	PhaseHandshake
	PhaseAuth
	PhaseReset
	PhaseMail
	PhaseRcpt
	PhaseData  // DATA
	PhaseWrite // handing bytes to the kernel, in any phase
	PhaseFinal // the end of the data: the dot, or BDAT LAST
	PhaseQuit
)

// String returns the phase as a log line would name it.
func (p Phase) String() string {
	names := [...]string{"idle", "greeting", "EHLO", "STARTTLS", "TLS handshake", "AUTH", "RSET", "MAIL",
		"RCPT", "DATA", "write", "end of data", "QUIT"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// timeout returns how long a reply in phase p is waited for.
func (t *Timeouts) timeout(p Phase) time.Duration {
	switch p {
	case PhaseGreeting:
		return t.Greeting
	case PhaseStartTLS, PhaseHandshake:
		return t.StartTLS
	case PhaseMail:
		return t.Mail
	case PhaseRcpt:
		return t.Rcpt
	case PhaseData:
		return t.DataInit
	case PhaseWrite:
		return t.DataBlock
	case PhaseFinal:
		return t.DataEnd
	case PhaseQuit:
		return t.Quit
	default:
		return t.EHLO
	}
}

// PhaseError says in which phase a connection became useless, and why. What it wraps tells the
// kind: a message.Status (the peer said so), os.ErrDeadlineExceeded, a context's error,
// io.EOF or io.ErrUnexpectedEOF, ErrProtocol, ErrChunking, ErrGluedTLS, or an error of the net
// package.
type PhaseError struct {
	Phase Phase
	Err   error
}

func (e *PhaseError) Error() string { return "smtp: " + e.Phase.String() + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *PhaseError) Unwrap() error { return e.Err }

var (
	// ErrProtocol is wrapped when the peer's bytes are no SMTP reply or not one that the
	// dialogue allows.
	ErrProtocol = errors.New("peer broke the protocol")
	// ErrChunking is wrapped when a peer that offered CHUNKING does not know BDAT. The message was
	// not taken; remember the host and connect again with DisableChunking.
	ErrChunking = errors.New("peer offers CHUNKING but does not understand BDAT")
	// ErrGluedTLS is wrapped when bytes follow the reply to STARTTLS: somebody on the path
	// is injecting replies (CVE-2021-38371).
	ErrGluedTLS = errors.New("bytes follow the reply to STARTTLS")
	// ErrClosed is wrapped by calls after Close.
	ErrClosed = errors.New("connection was closed by us")
	// ErrMisuse is wrapped when the calls come in an order that the client cannot serve.
	ErrMisuse = errors.New("client used out of order")
)
