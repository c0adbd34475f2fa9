package imap

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// mayResync notes what a command enables by its very use (RFC 7162 3.1). False: it needs QRESYNC, which the
// client has not enabled.
func (s *session) mayResync(m *modSeqs) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.condstore
	for _, name := range m.enabled {
		s.condstore = true
		s.qresync = s.qresync || name == "QRESYNC"
	}
	if (m.resync != nil || m.vanished) && !s.qresync || m.vanished && !s.byUID() {
		return false
	}
	s.condstore = s.condstore || m.item || m.hasBefore || m.search || m.status || m.wanted
	if s.condstore && !before && s.view != nil {
		_ = s.write([]byte("* OK [HIGHESTMODSEQ " + utoa(s.view.told) + "] Highest\r\n")) // the next write tells
	}
	return true
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// modSeq writes the item MODSEQ.
func (o *output) modSeq(n uint64) {
	o.raw("MODSEQ (")
	o.raw(utoa(n))
	o.raw(")")
}

// modSeqOf writes a FETCH response with a message's mod-sequence alone.
func (s *session) modSeqOf(o *output, place int, m mailbox.Message) {
	o.raw("* ")
	o.number(int64(place) + 1)
	o.raw(" FETCH (UID ")
	o.number(int64(m.UID))
	o.raw(" ")
	o.modSeq(m.ModSeq)
	o.raw(")\r\n")
}

// prepareModSeqs has ready, for a client that selects a folder, its highest mod-sequence and, if the client
// knows the folder from before, what has happened since.
func (s *session) prepareModSeqs(v *view, info mailbox.Info) {
	q := &s.request.modSeqs
	q.beforeDone = []byte("* OK [HIGHESTMODSEQ " + utoa(info.ModSeq) + "] Highest\r\n")
	if r := q.resync; r != nil && r.validity == info.Validity {
		known := knownUIDs(r.known)
		changed, gone := v.since(r.modSeq, known)
		var o output
		for _, m := range changed {
			if i := v.index(m.UID); i >= 0 && known.Contains(goimap.UID(m.UID)) {
				v.learn(m.Flags.Keywords) // the FLAGS of SELECT come before
				s.flagsOf(&o, i, m, true)
			}
		}
		q.beforeDone = append(append(q.beforeDone, vanishedLines("(EARLIER) ", gone)...), o.b...)
	}
}

// knownUIDs reads a set of UIDs; an empty one is all.
func knownUIDs(set string) (known goimap.UIDSet) {
	if set == "" {
		known.AddRange(1, 1<<32-1)
		return known
	}
	for _, r := range strings.Split(set, ",") {
		from, to, isRange := strings.Cut(r, ":")
		if !isRange {
			to = from
		}
		a, _ := strconv.ParseUint(from, 10, 32) // isSet has looked at them
		b, _ := strconv.ParseUint(to, 10, 32)
		known.AddRange(goimap.UID(a), goimap.UID(b))
	}
	return known
}

// since returns what has happened after modseq, and the UIDs of a set that are gone since, but for those that the
// client still counts. If nobody remembers, it is all UIDs of the set that are not there.
func (v *view) since(modSeq uint64, set goimap.UIDSet) (changed []mailbox.Message, gone goimap.UIDSet) {
	changed, uids, _, ok := v.folder.Since(modSeq)
	if ok {
		uids = slices.DeleteFunc(uids, func(uid uint32) bool { return v.index(uid) >= 0 || !set.Contains(goimap.UID(uid)) })
		return changed, uidSet(uids)
	}
	changed = nil
	for _, uid := range v.uids {
		if m, ok := v.folder.Get(uid); ok && m.ModSeq > modSeq {
			changed = append(changed, m)
		}
	}
	return changed, intersect(v.gaps(v.folder.Info().Next), set)
}

// gaps are the UIDs below next that are not in the view.
func (v *view) gaps(next uint32) goimap.UIDSet {
	var set goimap.UIDSet
	from := uint32(1)
	for _, uid := range v.uids {
		if from < uid {
			set = append(set, goimap.UIDRange{Start: goimap.UID(from), Stop: goimap.UID(uid - 1)})
		}
		from = uid + 1
	}
	if from < next {
		set = append(set, goimap.UIDRange{Start: goimap.UID(from), Stop: goimap.UID(next - 1)})
	}
	return set
}

// intersect returns what is in both sets, whose ranges ascend. The end of the second may be 0: no end.
func intersect(a, b goimap.UIDSet) (both goimap.UIDSet) {
	for len(a) > 0 && len(b) > 0 {
		end := b[0].Stop
		if end == 0 {
			end = 1<<32 - 1
		}
		start, stop := max(a[0].Start, b[0].Start), min(a[0].Stop, end)
		if start <= stop {
			both = append(both, goimap.UIDRange{Start: start, Stop: stop})
		}
		if a[0].Stop < end {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return both
}

// tellVanished writes which messages of a set are gone since the mod-sequence of a FETCH with VANISHED (RFC 7162
// 3.2.6). Those that the client still counts are told at the end, with all others.
func (s *session) tellVanished(set goimap.NumSet) error {
	q := &s.request.modSeqs
	uids, ok := set.(goimap.UIDSet)
	if !q.vanished || !ok || goimap.IsSearchRes(uids) {
		return nil
	}
	_, gone := s.view.since(q.since, uids)
	return s.write(vanishedLines("(EARLIER) ", gone))
}

// at returns the UIDs at places.
func (v *view) at(places []int) []uint32 {
	uids := make([]uint32, len(places))
	for n, i := range places {
		uids[n] = v.uids[i]
	}
	return uids
}

// vanishedLines are VANISHED responses of bounded length.
func vanishedLines(earlier string, set goimap.UIDSet) []byte {
	const most = 500 // ranges in a line
	var b []byte
	for ; len(set) > 0; set = set[min(most, len(set)):] {
		b = append(b, "* VANISHED "+earlier...)
		b = append(b, set[:min(most, len(set))].String()...)
		b = append(b, "\r\n"...)
	}
	return b
}

// tellModified ends a STORE that left messages alone (RFC 7162 3.1.3), once the client knows why.
func (s *session) tellModified(refused []uint32) error {
	set := uidSet(refused).String()
	if !s.byUID() {
		var numbers []uint32
		for _, uid := range refused {
			if i := s.view.index(uid); i >= 0 {
				numbers = append(numbers, uint32(i)+1)
			}
		}
		set = numberSet(numbers).String()
	}
	if err := s.update(false); err != nil || set == "" {
		return err
	}
	return s.done("MODIFIED "+set, "Some messages had changed")
}

// done is a command's good end with a response code.
func (s *session) done(code, text string) error {
	return &goimap.Error{Type: goimap.StatusResponseTypeOK, Code: goimap.ResponseCode(code), Text: text}
}

// modSeqKey is the field that SEARCH MODSEQ is looked for in on its way through the library. No field has a colon
// in its name.
const modSeqKey = "MODSEQ:"

// modSeqKey reads MODSEQ with, perhaps, the name and type of an entry: they make no difference (RFC 7162 3.1.5).
func (r *searchReader) modSeqKey() bool {
	r.in = strings.TrimLeft(r.in, " ")
	if strings.HasPrefix(r.in, `"`) {
		var ok bool
		if _, r.in, ok = takeString(r.in); !ok {
			return false
		}
		r.in = strings.TrimLeft(r.in, " ")
		if kind, ok := r.word(); !ok || !containsFold([]string{"all", "priv", "shared"}, kind) {
			return false
		}
		r.in = strings.TrimLeft(r.in, " ")
	}
	word, _ := r.word()
	if _, ok := parseModSeq("0" + word); !ok || word == "" {
		return false
	}
	r.modSeq = true
	r.out.WriteString(`HEADER "` + modSeqKey + `" "` + word + `"`)
	return true
}

// highest is the mod-sequence that a SEARCH tells: of what it tells (RFC 7162 3.1.10).
func (v *view) highest(found []int, options *goimap.SearchOptions) uint64 {
	if len(found) > 0 && !options.ReturnAll && !options.ReturnCount && (options.ReturnMin || options.ReturnMax) {
		ends := []int{found[0], found[len(found)-1]}
		switch {
		case !options.ReturnMax:
			ends = ends[:1]
		case !options.ReturnMin:
			ends = ends[1:]
		}
		found = ends
	}
	var n uint64
	for _, i := range found {
		if m, ok := v.folder.Get(v.uids[i]); ok {
			n = max(n, m.ModSeq)
		}
	}
	return n
}

// amend completes the library's output.
func (m *modSeqs) amend(p []byte, c *command) []byte {
	line, ok := bytes.CutSuffix(p, []byte("\r\n"))
	if !ok || c == nil {
		return p
	}
	end := ""
	switch {
	case m.enabled != nil && bytes.HasPrefix(p, []byte("* ENABLED")):
		end = " " + strings.Join(m.enabled, " ")
	case m.status && bytes.HasPrefix(p, []byte("* STATUS ")):
		inner, _ := bytes.CutSuffix(line, []byte(")"))
		if line, end = inner, " HIGHESTMODSEQ "+utoa(m.highest)+")"; bytes.HasSuffix(line, []byte("(")) {
			end = end[1:]
		}
	case m.search && m.highest > 0 && bytes.HasPrefix(p, []byte("* SEARCH")):
		end = " (MODSEQ " + utoa(m.highest) + ")"
	case m.search && m.highest > 0 && bytes.HasPrefix(p, []byte("* ESEARCH")):
		end = " MODSEQ " + utoa(m.highest)
	case m.beforeDone != nil && bytes.HasPrefix(p, []byte(c.tag+" OK ")):
		p, m.beforeDone = append(m.beforeDone, p...), nil
		return p
	default:
		return p
	}
	return append(append(append([]byte(nil), line...), end...), "\r\n"...)
}
