package relay

import (
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
)

// Mail implements gosmtp.Session.
func (s *session) Mail(from string, opts *gosmtp.MailOptions) error {
	s.Reset()
	s.begun, s.command = time.Now(), "MAIL FROM"
	if err := s.checkSender(from, opts); err != nil {
		return s.reject(from, "", err)
	}
	s.size = opts.Size
	s.envelope.Sender = from
	s.envelope.UTF8 = opts.UTF8
	s.envelope.RequireTLS = opts.RequireTLS
	s.envelope.EnvelopeID = opts.EnvelopeID
	if opts.Body == gosmtp.Body8BitMIME {
		s.envelope.Body = message.Body8Bit
	}
	switch opts.Return {
	case gosmtp.DSNReturnFull:
		s.envelope.Return = message.ReturnFull
	case gosmtp.DSNReturnHeaders:
		s.envelope.Return = message.ReturnHeaders
	}
	return nil
}

// checkSender decides about MAIL.
func (s *session) checkSender(from string, opts *gosmtp.MailOptions) error {
	if err := s.checkLogin(from, opts.Size); err != nil {
		return err
	}
	var address message.Address
	if from != "" {
		var err error
		if address, err = message.ParseAddress(from, opts.UTF8); err != nil {
			return reply(553, 5, 1, 7, "Sender address: "+reason(err))
		}
	}
	if err := s.limitMail(from); err != nil {
		return err
	}
	return s.lookAtSender(address)
}
