package imap

import (
	"errors"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// entry is the message that a search is at. What it needs is read when it needs it, once.
type entry struct {
	s       *session
	folder  *mailbox.Folder
	place   int
	m       mailbox.Message
	head    []byte
	ahead   ahead
	parsed  *part
	release []func() // of memory and the turn
}

func (e *entry) next(place int, m mailbox.Message) {
	e.drop()
	e.place, e.m = place, m
}

func (e *entry) drop() {
	e.head, e.parsed = nil, nil
	for _, release := range e.release {
		release()
	}
	e.release = e.release[:0]
}

// header returns the message's header, nil if the message is gone.
func (e *entry) header() ([]byte, error) {
	if e.head != nil {
		return e.head, nil
	}
	head, err := e.ahead.header(e.s, e.folder, e.place)
	e.head = head
	return head, err
}

// message returns all of it, nil if it is gone.
func (e *entry) message() (*part, error) {
	if e.parsed != nil {
		return e.parsed, nil
	}
	turn, err := e.s.srv.turns.take(e.s.ctx(), e.s.account, 1)
	if err != nil {
		return nil, errTooMuch
	}
	e.release = append(e.release, turn)
	memory, err := e.s.reserve(e.m.Size)
	if err != nil {
		return nil, err
	}
	e.release = append(e.release, memory)
	content, err := e.folder.Content(e.s.ctx(), e.m.UID)
	if errors.Is(err, mailbox.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e.parsed = parseMessage(content)
	return e.parsed, nil
}
