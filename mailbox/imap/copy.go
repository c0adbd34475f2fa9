package imap

import (
	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Copy implements imapserver.Session (RFC 9051 6.4.7): all messages that are there, or none.
func (s *session) Copy(set goimap.NumSet, dest string) (*goimap.CopyData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected(false)
	if err != nil {
		return nil, err
	}
	places, err := v.places(set, true)
	if err != nil {
		return nil, err
	}
	validity, from, to, err := v.folder.CopyTo(s.ctx(), v.pick(places), folderName(dest))
	if err != nil {
		return nil, s.refused(err, goimap.ResponseCodeTryCreate)
	}
	if len(from) == 0 && len(places) > 0 {
		return nil, s.refused(mailbox.ErrNoMessage, goimap.ResponseCodeNonExistent)
	}
	return copyData(validity, from, to), nil
}

// copyData is nil if nothing was copied: there is no COPYUID of nothing.
func copyData(validity uint32, from, to []uint32) *goimap.CopyData {
	if len(from) == 0 {
		return nil
	}
	return &goimap.CopyData{UIDValidity: validity, SourceUIDs: uidSet(from), DestUIDs: uidSet(to)}
}

// Move implements imapserver.SessionMove (RFC 9051 6.4.8), in one write.
func (s *session) Move(w *imapserver.MoveWriter, set goimap.NumSet, dest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected(true)
	if err != nil {
		return err
	}
	places, err := v.places(set, true)
	if err != nil {
		return err
	}
	validity, from, to, err := v.folder.MoveTo(s.ctx(), v.pick(places), folderName(dest))
	if err != nil {
		return s.refused(err, goimap.ResponseCodeTryCreate)
	}
	if data := copyData(validity, from, to); data != nil {
		if err := w.WriteCopyData(data); err != nil {
			return err
		}
	}
	return s.update(true)
}
