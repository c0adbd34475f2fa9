package mailbox

import "time"

// System flags (RFC 9051 2.3.2).
const (
	Seen System = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

// System is a set of system flags.
type System uint8

// Flags are a message's flags.
type Flags struct {
	System   System
	Keywords []string // sorted, each once; equal but for case is the same keyword. Never changed in place
}

// Message is what the index of a folder knows of a message.
type Message struct {
	UID      uint32
	Flags    Flags
	Size     int64 // octets, the copy's own header included
	Received time.Time
	ModSeq   uint64 // of its last change (RFC 7162)
}

// FlagOp tells what SetFlags does with the flags it is given.
type FlagOp int

// The ways to change flags.
const (
	SetFlags FlagOp = iota
	AddFlags
	RemoveFlags
)
