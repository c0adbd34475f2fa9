package mailbox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// System flags (RFC 9051 2.3.2).
const (
	Seen System = 1 << iota
	Answered
	Flagged
	Deleted
	Draft
)

const allSystem = Seen | Answered | Flagged | Deleted | Draft

// System is a set of system flags.
type System uint8

// Flags are a message's flags.
type Flags struct {
	System System
	// Keywords are sorted, each once; the same in another case is the same. A slice that the store has
	// returned must not be changed.
	Keywords []string
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

const (
	maxKeywords = 64  // of one message
	maxKeyword  = 255 // bytes
)

// clean returns the flags as they are kept; ErrLimit if there are too many or too long ones.
func (f Flags) clean() (Flags, error) {
	f.System &= allSystem
	if len(f.Keywords) == 0 {
		f.Keywords = nil
		return f, nil
	}
	f.Keywords = sortKeywords(slices.Clone(f.Keywords))
	for _, k := range f.Keywords {
		if k == "" || len(k) > maxKeyword {
			return f, fmt.Errorf("%w: a keyword of %d bytes", ErrLimit, len(k))
		}
	}
	if len(f.Keywords) > maxKeywords {
		return f, fmt.Errorf("%w: %d keywords", ErrLimit, len(f.Keywords))
	}
	return f, nil
}

func sortKeywords(k []string) []string {
	slices.SortStableFunc(k, compareKeywords)
	return slices.CompactFunc(k, strings.EqualFold)
}

func compareKeywords(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// change returns the flags after op with g, which is clean. What there was keeps its spelling.
func (f Flags) change(op FlagOp, g Flags) Flags {
	switch op {
	case AddFlags:
		f.System |= g.System
		if !f.hasAll(g.Keywords) {
			f.Keywords = sortKeywords(append(slices.Clone(f.Keywords), g.Keywords...))
		}
	case RemoveFlags:
		f.System &^= g.System
		if len(g.Keywords) > 0 && len(f.Keywords) > 0 {
			f.Keywords = slices.DeleteFunc(slices.Clone(f.Keywords), g.Has)
		}
	default:
		return g
	}
	if len(f.Keywords) == 0 {
		f.Keywords = nil
	}
	return f
}

// Has tells whether the keyword is among the flags, in whatever case.
func (f Flags) Has(keyword string) bool {
	return slices.ContainsFunc(f.Keywords, func(k string) bool { return strings.EqualFold(k, keyword) })
}

func (f Flags) hasAll(keywords []string) bool {
	for _, k := range keywords {
		if !f.Has(k) {
			return false
		}
	}
	return true
}

func (f Flags) equal(g Flags) bool {
	return f.System == g.System && slices.Equal(f.Keywords, g.Keywords)
}
