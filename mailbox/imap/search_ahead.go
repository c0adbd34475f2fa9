package imap

import "github.com/posthaste-mta/posthaste/mailbox"

// ahead reads headers ahead of a search that goes through one message after the other: together they are read several
// times faster. It begins with one, and reads more at a time as long as all were wanted.
type ahead struct {
	read   []mailbox.HeaderOf // not wanted yet
	window int
	wasted bool // one that was read was not wanted
}

const maxAhead = 256

// header returns the header of the message at a place, nil if the message is gone.
func (a *ahead) header(s *session, folder *mailbox.Folder, place int) ([]byte, error) {
	uid := s.view.uids[place]
	for len(a.read) > 0 && a.read[0].UID < uid {
		a.read, a.wasted = a.read[1:], true
	}
	if len(a.read) == 0 {
		if a.window = min(2*a.window+1, maxAhead); a.wasted {
			a.window = 1
		}
		a.wasted = false
		uids := s.view.uids[place:]
		for h, err := range folder.Headers(s.ctx(), uids[:min(len(uids), a.window)]) {
			if err != nil {
				return nil, err
			}
			a.read = append(a.read, h)
		}
	}
	if len(a.read) == 0 || a.read[0].UID != uid {
		return nil, nil
	}
	head := a.read[0].Header
	a.read[0].Header, a.read = nil, a.read[1:]
	return head, nil
}
