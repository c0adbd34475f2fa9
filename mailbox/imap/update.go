package imap

import (
	"slices"

	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// update tells the client what has happened in the selected folder since it was told last: first what is gone,
// if message numbers may change now, then what is new, then flags. The session is locked.
func (s *session) update(expunge bool) error {
	v := s.view
	if v == nil {
		return nil
	}
	own := v.own
	v.own = nil
	changed, gone, now, ok := v.folder.Since(min(v.told, v.purged))
	if !ok {
		changed, gone, now = v.compare()
	}
	if expunge {
		if err := s.tellGone(gone); err != nil {
			return err
		}
		v.purged = now
	}
	since := v.told
	v.told = now
	return s.tellChanged(changed, since, own)
}

// compare finds out what Since cannot tell any more.
func (v *view) compare() (changed []mailbox.Message, gone []uint32, now uint64) {
	now = v.folder.Info().ModSeq
	current := v.folder.UIDs()
	for _, uid := range current {
		if m, ok := v.folder.Get(uid); ok && m.ModSeq > v.told {
			changed = append(changed, m)
		}
	}
	for _, uid := range v.uids {
		if _, ok := slices.BinarySearch(current, uid); !ok {
			gone = append(gone, uid)
		}
	}
	return changed, gone, now
}

// tellGone takes messages out of the view and writes EXPUNGE for each, from the last to the first: so no number
// changes that is still to be written.
func (s *session) tellGone(gone []uint32) error {
	v := s.view
	places := make([]int, 0, len(gone))
	for _, uid := range gone {
		if i := v.index(uid); i >= 0 {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return nil
	}
	slices.Sort(places)
	places = slices.Compact(places)
	if s.qresync {
		if err := s.write(vanishedLines("", uidSet(v.at(places)))); err != nil {
			return err
		}
	} else if err := s.writeGone(places); err != nil {
		return err
	}
	kept := v.uids[:places[0]]
	for n, i := range places {
		end := len(v.uids)
		if n+1 < len(places) {
			end = places[n+1]
		}
		kept = append(kept, v.uids[i+1:end]...)
	}
	v.uids = kept
	return nil
}

func (s *session) writeGone(places []int) error {
	var o output
	for _, i := range slices.Backward(places) {
		o.raw("* ")
		o.number(int64(i) + 1)
		o.raw(" EXPUNGE\r\n")
		if len(o.b) > flushAt {
			if err := s.write(o.b); err != nil {
				return err
			}
			o.b = o.b[:0]
		}
	}
	return s.write(o.b)
}

// tellChanged writes EXISTS for what is new and FETCH for what has other flags.
func (s *session) tellChanged(changed []mailbox.Message, since uint64, own map[uint32]uint64) error {
	v := s.view
	last := uint32(0)
	if n := len(v.uids); n > 0 {
		last = v.uids[n-1]
	}
	var o output
	fresh := len(v.uids)
	for _, m := range changed {
		if m.UID > last && m.UID > v.newest {
			v.uids = append(v.uids, m.UID)
		}
	}
	if n := len(v.uids); n > fresh {
		v.newest = v.uids[n-1]
		o.raw("* ")
		o.number(int64(n))
		o.raw(" EXISTS\r\n")
		if !s.rev2 {
			o.raw("* 0 RECENT\r\n")
		}
	}
	for _, m := range changed {
		i := v.index(m.UID)
		if i < 0 || i >= fresh || m.ModSeq <= since || own[m.UID] == m.ModSeq {
			continue
		}
		s.noteKeywords(&o, m.Flags.Keywords)
		s.flagsOf(&o, i, m, true)
		if len(o.b) > flushAt {
			if err := s.write(o.b); err != nil {
				return err
			}
			o.b = o.b[:0]
		}
	}
	return s.write(o.b)
}

// flagsOf writes a FETCH response with a message's flags.
func (s *session) flagsOf(o *output, place int, m mailbox.Message, uid bool) {
	o.raw("* ")
	o.number(int64(place) + 1)
	o.raw(" FETCH (")
	if uid {
		o.raw("UID ")
		o.number(int64(m.UID))
		o.raw(" ")
	}
	o.raw("FLAGS ")
	o.flags(m.Flags)
	if s.condstore {
		o.raw(" ")
		o.modSeq(m.ModSeq)
	}
	o.raw(")\r\n")
}

// noteKeywords tells the client of keywords before it meets them in a FETCH. The list only grows: the client may
// still know of messages that have what is in use nowhere any more.
func (s *session) noteKeywords(o *output, keywords []string) {
	if !s.view.learn(keywords) {
		return
	}
	o.raw("* FLAGS ")
	o.flags(mailbox.Flags{System: allSystem, Keywords: s.view.keywords})
	o.raw("\r\n")
}

// learn adds keywords to those that the client knows, and tells whether one was new.
func (v *view) learn(keywords []string) bool {
	grown := false
	for _, k := range keywords {
		if !containsFold(v.keywords, k) {
			v.keywords = append(v.keywords, k)
			grown = true
		}
	}
	if grown {
		slices.Sort(v.keywords)
	}
	return grown
}

// Poll implements imapserver.Session: after every command that went well.
func (s *session) Poll(_ *imapserver.UpdateWriter, expunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(expunge)
}
