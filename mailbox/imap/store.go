package imap

import (
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Store implements imapserver.Session (RFC 9051 6.4.6). All messages change in one write.
func (s *session) Store(_ *imapserver.FetchWriter, set goimap.NumSet, change *goimap.StoreFlags, _ *goimap.StoreOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected(true)
	if err != nil {
		return err
	}
	flags, err := readFlags(change.Flags)
	if err != nil {
		return err
	}
	places, err := v.places(set, true)
	if err != nil {
		return err
	}
	q := &s.request.modSeqs
	if q.hasBefore && q.before == 0 { // to the Store that means none; to the client, that nothing may be there
		return s.tellModified(v.pick(places))
	}
	changed, refused, err := v.folder.SetFlags(s.ctx(), v.pick(places), flagOp(change.Op), flags, q.before)
	if err != nil {
		return s.refused(err, goimap.ResponseCodeNonExistent)
	}
	v.own = make(map[uint32]uint64, len(changed))
	for _, m := range changed {
		v.own[m.UID] = m.ModSeq
	}
	if err := s.tellStored(places, change.Silent); err != nil || len(refused) == 0 {
		return err
	}
	return s.tellModified(refused)
}

func flagOp(op goimap.StoreFlagsOp) mailbox.FlagOp {
	switch op {
	case goimap.StoreFlagsAdd:
		return mailbox.AddFlags
	case goimap.StoreFlagsDel:
		return mailbox.RemoveFlags
	}
	return mailbox.SetFlags
}

// tellStored writes the flags as they are now, for all messages of the set, unless the client wants silence.
// Then it is told only of what another client has changed at the same time.
func (s *session) tellStored(places spans, silent bool) error {
	v := s.view
	left, gone := false, false
	var o output
	for i := range places.each {
		m, ok := v.folder.Get(v.uids[i])
		if !ok {
			gone = true
			continue
		}
		left = true
		if silent {
			if s.condstore && v.own[m.UID] == m.ModSeq { // RFC 7162 3.1.3
				s.modSeqOf(&o, i, m)
			}
			continue
		}
		v.own[m.UID] = m.ModSeq
		s.noteKeywords(&o, m.Flags.Keywords)
		s.flagsOf(&o, i, m, s.byUID() || s.qresync)
		if len(o.b) > flushAt {
			if err := s.write(o.b); err != nil {
				return err
			}
			o.b = o.b[:0]
		}
	}
	if err := s.write(o.b); err != nil {
		return err
	}
	switch {
	case !gone || s.byUID():
		return nil
	case left:
		return s.done("EXPUNGEISSUED", "Some messages are gone")
	}
	return no("EXPUNGEISSUED", "The messages are gone")
}
