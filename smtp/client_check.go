package smtp

import (
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// check decides what need not be asked of the peer: what it said it cannot take, and what
// would be a different command on the wire than it is meant to be.
func (c *Client) check(s *clientSlot) {
	e := s.tx.Envelope
	s.size = clientWireSize(s.tx.Content)
	s.utf8 = e.UTF8 || !clientIsASCII(e.Sender)
	for i := range s.tx.Recipients {
		addr := s.tx.Recipients[i].Address
		switch wide := !clientIsASCII(addr); {
		case !clientPathOK(addr) || addr == "":
			s.status[i] = ownStatus(553, 5, 1, 3, "the recipient's address cannot be sent over SMTP")
		case wide && !c.ext.SMTPUTF8:
			s.status[i] = ownStatus(553, 5, 6, 7, "the recipient's address needs SMTPUTF8, which "+c.ext.Name+" does not offer")
		default:
			s.utf8 = s.utf8 || wide
		}
	}
	switch {
	case !clientPathOK(e.Sender):
		s.refuse(ownStatus(553, 5, 1, 7, "the sender's address cannot be sent over SMTP"))
	case e.RequireTLS && e.Sender != "" && !c.secure: // a report goes on as well as it can (RFC 8689 5)
		s.refuse(ownStatus(550, 5, 7, 10, "the sender requires TLS (REQUIRETLS), and the connection to "+c.ext.Name+" has none"))
	case e.RequireTLS && e.Sender != "" && !c.ext.RequireTLS:
		s.refuse(ownStatus(550, 5, 7, 30, "the sender requires TLS all the way (REQUIRETLS), which "+c.ext.Name+" does not offer"))
	case !c.ext.SMTPUTF8 && !clientIsASCII(e.Sender):
		s.refuse(ownStatus(553, 5, 6, 7, "the sender's address needs SMTPUTF8, which "+c.ext.Name+" does not offer"))
	case s.utf8 && !c.ext.SMTPUTF8 && message.Has8Bit(s.tx.Content):
		// Maybe only in its body, but some part of it may have a header in UTF-8. Without, it can go as it is: many
		// programs ask for SMTPUTF8 whether it is needed or not.
		s.refuse(ownStatus(550, 5, 6, 9, "the message needs SMTPUTF8, which "+c.ext.Name+" does not offer"))
	case c.ext.Size > 0 && s.size > c.ext.Size:
		s.refuse(ownStatus(552, 5, 3, 4, fmt.Sprintf("the message has %d bytes and %s takes %d at most", s.size, c.ext.Name, c.ext.Size)))
	}
	s.next = s.skipDecided(0)
	s.answer = s.next
	if s.next == len(s.status) {
		s.step = stepWritten
	}
	s.chunked = c.ext.Chunking && !c.cfg.DisableChunking && s.size <= int64(c.cfg.ChunkMax)
}

func ownStatus(code, class, subject, detail int, text string) message.Status {
	return message.Status{Code: code, Enhanced: message.EnhancedCode{class, subject, detail}, Text: text}
}
