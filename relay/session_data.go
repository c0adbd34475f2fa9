package relay

import (
	"fmt"
	"io"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp"
)

// incoming is a message whose content is complete and that is not ours yet.
type incoming struct {
	*session
	header message.HeaderSummary // of body
	body   []byte                // as the client sent it, and as filters left it
	// fields are header fields of ours that go in front of the body, behind the trace field: whole lines.
	fields []byte

	// envelope and content are what goes into the queue; prepare and stamp make them.
	envelope *message.Envelope
	content  []byte
	found    string // for Event.Checks
	signed   string // for Event.DKIM

	held      bool                // until an operator says otherwise
	reason    string              // why held
	dropped   []message.Recipient // accepted, but a filter wants them to get nothing
	droppedBy string              // the filter
	expanded  []message.Recipient // aliases of several, whose senders want to hear of success
}

// Data implements gosmtp.Session. When it returns the reply 250, the message is on stable storage.
func (s *session) Data(r io.Reader) error {
	s.command = "end of DATA"
	body, ok := r.(*smtp.Body)
	if !ok {
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		body = smtp.NewBody(content)
	}
	m := &incoming{session: s, body: body.Bytes()}
	if err := m.take(); err != nil {
		first := ""
		if len(s.recipients) > 0 {
			first = s.recipients[0].Address
		}
		return s.reject(s.envelope.Sender, first, err)
	}
	s.spent()
	return &gosmtp.SMTPError{Code: 250, EnhancedCode: gosmtp.EnhancedCode{2, 0, 0}, Message: "Ok: queued as " + m.envelope.ID.String()}
}

// take decides about a complete message, and makes it ours.
func (m *incoming) take() error {
	m.header = message.SummariseHeader(m.body)
	if err := m.checkLoop(); err != nil {
		return err
	}
	if err := m.checkAuthor(); err != nil {
		return err
	}
	if err := m.inspect(); err != nil {
		return err
	}
	m.prepare()
	if err := m.scan(); err != nil {
		return err
	}
	if err := m.passAlias(); err != nil {
		return err
	}
	if err := m.stamp(); err != nil {
		return err
	}
	if err := m.expand(); err != nil {
		return err
	}
	if err := m.sign(); err != nil {
		return err
	}
	return m.put()
}

// checkLoop refuses what has been on its way for too many hops (RFC 5321 6.3).
func (m *incoming) checkLoop() error {
	if n := m.header.Received; n >= m.relay.policy.Load().MaxReceived {
		return reply(554, 5, 4, 6, fmt.Sprintf("Mail loop: %d Received fields", n))
	}
	return nil
}
