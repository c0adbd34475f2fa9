package imap

import (
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Expunge implements imapserver.Session: EXPUNGE, UID EXPUNGE and CLOSE. Only messages go that the client knows of.
func (s *session) Expunge(_ *imapserver.ExpungeWriter, uids *goimap.UIDSet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	closing := s.request.name == "CLOSE"
	if closing && s.view != nil && s.view.readOnly {
		return nil
	}
	v, err := s.selected(true)
	if err != nil {
		return err
	}
	all := spans{{0, len(v.uids)}}
	if uids != nil {
		if all, err = v.places(*uids, false); err != nil {
			return err
		}
	}
	var deleted []uint32
	for i := range all.each {
		if m, ok := v.folder.Get(v.uids[i]); ok && m.Flags.System&mailbox.Deleted != 0 {
			deleted = append(deleted, m.UID)
		}
	}
	if len(deleted) > 0 {
		if _, err := v.folder.ExpungeDeleted(s.ctx(), deleted); err != nil {
			return s.refused(err, goimap.ResponseCodeNonExistent)
		}
	}
	if closing { // the client is told nothing (RFC 9051 6.4.1)
		return nil
	}
	if err := s.update(true); err != nil || !s.condstore || len(deleted) == 0 {
		return err
	}
	return s.done("HIGHESTMODSEQ "+utoa(v.purged), "EXPUNGE completed")
}
