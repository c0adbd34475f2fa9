package imap

import (
	"time"

	"github.com/emersion/go-imap/v2/imapserver"
)

// checkEvery is how often a client in IDLE is asked whether its login is still good.
const checkEvery = time.Minute

// Idle implements imapserver.Session: it tells changes as they come, until stop is closed (RFC 9051 6.3.13).
func (s *session) Idle(_ *imapserver.UpdateWriter, stop <-chan struct{}) error {
	s.srv.count.idling.Add(1)
	defer s.srv.count.idling.Add(-1)
	again := time.NewTicker(checkEvery)
	defer again.Stop()
	for {
		if err := s.owner.Check(); err != nil {
			_ = s.write([]byte("* BYE Log in again\r\n")) // the client may be gone
			_ = s.gate.flush()
			s.gate.hangUp()
			return errLogin
		}
		changed, err := s.idleOnce()
		if err != nil {
			s.gate.hangUp() // the reader waits for DONE, which is of no use any more
			return err
		}
		select {
		case <-changed:
		case <-again.C:
		case <-stop:
			return nil
		}
	}
}

// idleOnce tells what has changed and returns what to wait for.
func (s *session) idleOnce() (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errDraining
	}
	var changed <-chan struct{}
	if s.view != nil {
		changed = s.view.folder.Changed() // before looking: nothing is missed
		if err := s.folderGone(); err != nil {
			return nil, err
		}
	}
	if err := s.update(true); err != nil {
		return nil, err
	}
	return changed, s.gate.flush()
}
