package imap

import (
	"errors"
	"io"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Append implements imapserver.Session. What can be refused is, before the client sends the message, if it asks
// (RFC 9051 6.3.12).
func (s *session) Append(name string, r goimap.LiteralReader, options *goimap.AppendOptions) (*goimap.AppendData, error) {
	name = folderName(name)
	flags, err := readFlags(options.Flags)
	if err != nil {
		return nil, err
	}
	if r.Size() == 0 {
		return nil, no(goimap.ResponseCodeCannot, "A message has at least one octet")
	}
	if info, err := s.store.Status(s.ctx(), s.account, name); err != nil || info.Missing {
		if err == nil {
			err = mailbox.ErrNoFolder
		}
		return nil, s.refused(err, goimap.ResponseCodeTryCreate)
	}
	if err := s.store.Room(s.account, r.Size()); err != nil {
		return nil, s.refused(err, goimap.ResponseCodeTryCreate)
	}
	release, err := s.reserve(r.Size())
	if err != nil {
		return nil, err
	}
	defer release()
	content, err := s.receive(r)
	if err != nil {
		return nil, err
	}
	validity, uid, err := s.store.Append(s.ctx(), s.account, name, content, flags, options.Time)
	if err != nil {
		return nil, s.refused(err, goimap.ResponseCodeTryCreate)
	}
	return &goimap.AppendData{UIDValidity: validity, UID: goimap.UID(uid)}, nil
}

// receive reads a message and the end of its command.
func (s *session) receive(r goimap.LiteralReader) ([]byte, error) {
	if err := s.gate.admitMessage(); err != nil {
		return nil, err
	}
	content := make([]byte, r.Size())
	if _, err := io.ReadFull(r, content); err != nil {
		s.gate.hangUp() // half a message: nothing is kept
		return nil, err
	}
	switch err := s.gate.endMessage(); {
	case errors.Is(err, errTail):
		return nil, bad("Something follows the message")
	case err != nil:
		return nil, err
	}
	return content, nil
}

// reserve waits for room in memory for contents of that size. release gives it back.
func (s *session) reserve(size int64) (release func(), err error) {
	release, err = s.srv.memory.take(s.ctx(), s.account, size)
	if err != nil {
		return nil, errTooMuch
	}
	return release, nil
}

// errTooMuch tells that others use what a command needs.
var errTooMuch = no(goimap.ResponseCodeUnavailable, "Too much at once, try again later")
