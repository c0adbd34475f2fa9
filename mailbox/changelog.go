package mailbox

import (
	"slices"
	"sort"
)

// changeLog tells which messages have changed lately, so that sessions that are woken need not look at all.
type changeLog struct {
	floor   uint64 // changes up to here are not in it (any more)
	changes []change
}

type change struct {
	modseq uint64
	uid    uint32
}

const maxChanges = 4096

func (l *changeLog) add(modseq uint64, uids ...uint32) {
	if len(uids) > maxChanges/2 {
		l.floor, l.changes = modseq, nil
		return
	}
	if n := len(l.changes); n+len(uids) > maxChanges {
		half := n - maxChanges/2 + len(uids)
		l.floor = l.changes[half-1].modseq
		l.changes = slices.Delete(l.changes, 0, half)
	}
	for _, uid := range uids {
		l.changes = append(l.changes, change{modseq, uid})
	}
}

// since returns the UIDs of what has changed after modseq, ascending; false if the log does not reach back
// so far.
func (l *changeLog) since(modseq uint64) ([]uint32, bool) {
	if modseq < l.floor {
		return nil, false
	}
	from := sort.Search(len(l.changes), func(i int) bool { return l.changes[i].modseq > modseq })
	uids := make([]uint32, 0, len(l.changes)-from)
	for _, c := range l.changes[from:] {
		uids = append(uids, c.uid)
	}
	slices.Sort(uids)
	return slices.Compact(uids), true
}

// goneLog tells which UIDs were expunged, for clients that come back (RFC 7162 3.2.10). It is on disk too.
type goneLog struct {
	floor uint64 // what was expunged up to here is forgotten
	ops   []goneOp
	runs  int // in all ops
	uids  int
}

type goneOp struct {
	modseq uint64
	runs   []run
}

const (
	maxGoneRuns = 4096
	maxGoneUIDs = 1 << 20
)

func (o goneOp) uids() (n int) {
	for _, r := range o.runs {
		n += int(r.to-r.from) + 1
	}
	return n
}

func (l *goneLog) add(op goneOp) {
	l.ops = append(l.ops, op)
	l.runs += len(op.runs)
	l.uids += op.uids()
}

// excess returns how many of the oldest ops must go before one more fits, and whether that fits at all.
func (l *goneLog) excess(op goneOp) (n int, fits bool) {
	runs, uids := l.runs+len(op.runs), l.uids+op.uids()
	for n < len(l.ops) && (runs > maxGoneRuns || uids > maxGoneUIDs) {
		runs -= len(l.ops[n].runs)
		uids -= l.ops[n].uids()
		n++
	}
	return n, runs <= maxGoneRuns && uids <= maxGoneUIDs
}

// drop forgets the oldest n ops.
func (l *goneLog) drop(n int) {
	for _, op := range l.ops[:n] {
		l.runs -= len(op.runs)
		l.uids -= op.uids()
	}
	l.ops = slices.Delete(l.ops, 0, n)
}

// since returns the UIDs that were expunged after modseq, ascending.
func (l *goneLog) since(modseq uint64) []uint32 {
	from := sort.Search(len(l.ops), func(i int) bool { return l.ops[i].modseq > modseq })
	var uids []uint32
	for _, op := range l.ops[from:] {
		for _, r := range op.runs {
			for uid := r.from; ; uid++ {
				uids = append(uids, uid)
				if uid == r.to {
					break
				}
			}
		}
	}
	slices.Sort(uids)
	return uids
}

// runsOf makes runs of ascending UIDs.
func runsOf(uids []uint32) []run {
	var runs []run
	for _, uid := range uids {
		if n := len(runs); n > 0 && runs[n-1].to+1 == uid {
			runs[n-1].to = uid
		} else {
			runs = append(runs, run{uid, uid})
		}
	}
	return runs
}
