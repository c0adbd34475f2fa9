package imap

import (
	"slices"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// view is the selected folder as the client knows it: message n is uids[n-1], until the client is told otherwise.
// Telling it compares the view with the folder; so a client that is told nothing costs nothing.
type view struct {
	folder   *mailbox.Folder
	name     string
	readOnly bool
	uids     []uint32
	newest   uint32 // the highest UID that was ever in uids
	// told is the modseq up to which the client knows of flags and new messages; purged that up to which it
	// knows what is gone, which must wait while message numbers hold.
	told, purged uint64
	keywords     []string
	// own are the changes by the command under way that its responses have told, by UID: not told twice.
	own map[uint32]uint64
	// found is the result of SEARCH RETURN (SAVE) (RFC 9051 6.4.4.1), ascending.
	found []uint32
}

// index returns a message's place in uids, or -1.
func (v *view) index(uid uint32) int {
	if i, ok := slices.BinarySearch(v.uids, uid); ok {
		return i
	}
	return -1
}

// places returns the places in uids of the messages in a set, ascending. Numbers of messages that are not there
// are an error if strict; UIDs never are.
func (v *view) places(set goimap.NumSet, strict bool) (spans, error) {
	var s spans
	switch set := set.(type) {
	case goimap.SeqSet:
		for _, r := range set {
			lo, hi, ok := v.numbers(r.Start, r.Stop)
			if !ok && strict {
				return nil, &goimap.Error{Type: goimap.StatusResponseTypeBad, Text: "There is no message of that number"}
			}
			s.add(lo, hi)
		}
	case goimap.UIDSet:
		if goimap.IsSearchRes(set) {
			for _, uid := range v.found {
				if i := v.index(uid); i >= 0 {
					s.add(i, i+1)
				}
			}
			break
		}
		for _, r := range set {
			s.add(v.between(uint32(r.Start), uint32(r.Stop)))
		}
	}
	return s.merged(), nil
}

// numbers returns the places of a range of message numbers, cut to those that are there; 0 is the last.
func (v *view) numbers(start, stop uint32) (lo, hi int, ok bool) {
	n := uint32(len(v.uids))
	if start == 0 {
		start = n
	}
	if stop == 0 {
		stop = n
	}
	if start > stop {
		start, stop = stop, start
	}
	ok = start >= 1 && stop <= n
	start, stop = max(start, 1), min(stop, n)
	if start > stop {
		return 0, 0, ok
	}
	return int(start) - 1, int(stop), ok
}

// between returns the places of a range of UIDs; 0 is the last message's.
func (v *view) between(start, stop uint32) (lo, hi int) {
	if len(v.uids) == 0 {
		return 0, 0
	}
	last := v.uids[len(v.uids)-1]
	if start == 0 {
		start = last
	}
	if stop == 0 {
		stop = last
	}
	if start > stop {
		start, stop = stop, start
	}
	lo, _ = slices.BinarySearch(v.uids, start)
	hi, found := slices.BinarySearch(v.uids, stop)
	if found {
		hi++
	}
	return lo, max(lo, hi)
}

// spans are ranges of places: from one up to, without, another.
type spans [][2]int

func (s *spans) add(lo, hi int) {
	if n := len(*s); n > 0 && (*s)[n-1][1] == lo && lo < hi {
		(*s)[n-1][1] = hi
	} else if lo < hi {
		*s = append(*s, [2]int{lo, hi})
	}
}

// merged returns them ascending, each place once.
func (s spans) merged() spans {
	slices.SortFunc(s, func(a, b [2]int) int { return a[0] - b[0] })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

// each yields the places.
func (s spans) each(yield func(int) bool) {
	for _, r := range s {
		for i := r[0]; i < r[1]; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// has tells whether a place is in them.
func (s spans) has(place int) bool {
	i, found := slices.BinarySearchFunc(s, place, func(r [2]int, p int) int { return r[0] - p })
	return found || i > 0 && place < s[i-1][1]
}

// pick returns the UIDs at the places.
func (v *view) pick(s spans) []uint32 {
	var uids []uint32
	for _, r := range s {
		uids = append(uids, v.uids[r[0]:r[1]]...)
	}
	return uids
}

// uidSet makes a set of ascending UIDs.
func uidSet(uids []uint32) goimap.UIDSet {
	var set goimap.UIDSet
	for _, uid := range uids {
		u := goimap.UID(uid)
		if n := len(set); n > 0 && set[n-1].Stop+1 == u {
			set[n-1].Stop = u
			continue
		}
		set = append(set, goimap.UIDRange{Start: u, Stop: u})
	}
	return set
}

// numberSet makes a set of ascending message numbers.
func numberSet(numbers []uint32) goimap.SeqSet {
	var set goimap.SeqSet
	for _, u := range numbers {
		if n := len(set); n > 0 && set[n-1].Stop+1 == u {
			set[n-1].Stop = u
			continue
		}
		set = append(set, goimap.SeqRange{Start: u, Stop: u})
	}
	return set
}
