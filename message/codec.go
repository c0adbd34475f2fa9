package message

import "errors"

// ErrBadRecord is wrapped by every error of DecodeEnvelope and DecodeRecipients.
var ErrBadRecord = errors.New("message: damaged record")

// AppendEnvelope appends e in its binary form to b.
func AppendEnvelope(b []byte, e *Envelope) []byte { return b }

// DecodeEnvelope reads what AppendEnvelope wrote; nothing may follow it. It keeps nothing of b.
func DecodeEnvelope(b []byte) (*Envelope, error) { return nil, ErrBadRecord }

// AppendRecipients appends r in its binary form to b.
func AppendRecipients(b []byte, r []Recipient) []byte { return b }

// DecodeRecipients reads what AppendRecipients wrote and returns the bytes that follow it. It
// keeps nothing of b.
func DecodeRecipients(b []byte) (r []Recipient, rest []byte, err error) {
	return nil, nil, ErrBadRecord
}
