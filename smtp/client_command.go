package smtp

import (
	"strconv"
	"unicode/utf8"

	"github.com/posthaste-mta/posthaste/message"
)

const (
	// clientMaxCommand bounds one command line: a path and the longest parameters, encoded.
	clientMaxCommand = 8 << 10
	// clientMaxPath is longer than any address (RFC 5321 4.5.3.1.3 has 256) and bounds a line.
	clientMaxPath = 1000
	// clientMaxParam bounds ENVID (RFC 3461 4.4 has 100) and ORCPT (500) before encoding.
	clientMaxParam = 500
)

// appendMail appends MAIL with what of e's parameters the peer offers; utf8 tells whether the
// message needs SMTPUTF8.
func appendMail(b []byte, e *message.Envelope, size int64, utf8 bool, ext *Extensions) []byte {
	b = append(b, "MAIL FROM:<"...)
	b = append(b, e.Sender...)
	b = append(b, '>')
	if ext.SizeOffered {
		b = append(b, " SIZE="...)
		b = strconv.AppendInt(b, size, 10)
	}
	if ext.EightBit && e.Body != message.Body7Bit {
		b = append(b, " BODY=8BITMIME"...)
	}
	if ext.SMTPUTF8 && utf8 {
		b = append(b, " SMTPUTF8"...)
	}
	if ext.RequireTLS && e.RequireTLS {
		b = append(b, " REQUIRETLS"...)
	}
	if ext.DSN {
		switch e.Return {
		case message.ReturnHeaders:
			b = append(b, " RET=HDRS"...)
		case message.ReturnFull:
			b = append(b, " RET=FULL"...)
		}
		if id := e.EnvelopeID; id != "" && len(id) <= clientMaxParam {
			b = append(b, " ENVID="...)
			b = append(b, message.EncodeXtext(id)...)
		}
	}
	return append(b, "\r\n"...)
}

// appendRcpt appends RCPT with what of r's parameters the peer offers; utf8 tells that MAIL had SMTPUTF8.
func appendRcpt(b []byte, r *message.Recipient, utf8 bool, ext *Extensions) []byte {
	b = append(b, "RCPT TO:<"...)
	b = append(b, r.Address...)
	b = append(b, '>')
	if ext.DSN {
		b = appendNotify(b, r.Notify)
		if r.OriginalType != "" && len(r.OriginalType)+len(r.Original) <= clientMaxParam {
			b = append(b, " ORCPT="...)
			b = append(b, message.FormatOriginalRecipient(message.EncodeXtext(r.OriginalType), r.Original, utf8)...)
		}
	}
	return append(b, "\r\n"...)
}

// appendNotify appends NOTIFY (RFC 3461 4.1), where NEVER stands alone.
func appendNotify(b []byte, n message.Notify) []byte {
	if n == 0 {
		return b
	}
	b = append(b, " NOTIFY="...)
	if n&message.NotifyNever != 0 {
		return append(b, "NEVER"...)
	}
	start := len(b)
	for _, f := range [...]struct {
		flag message.Notify
		name string
	}{{message.NotifySuccess, "SUCCESS"}, {message.NotifyFailure, "FAILURE"}, {message.NotifyDelay, "DELAY"}} {
		if n&f.flag != 0 {
			if len(b) > start {
				b = append(b, ',')
			}
			b = append(b, f.name...)
		}
	}
	return b
}

// clientPathOK tells whether an address can stand between angle brackets without ending the
// path, the line or more: no control character, and blanks and brackets in a quoted local part only.
func clientPathOK(addr string) bool {
	if len(addr) > clientMaxPath {
		return false
	}
	quoted := false
	for i := 0; i < len(addr); i++ {
		switch c := addr[i]; {
		case c < ' ' || c == 0x7f:
			return false
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			if i++; i == len(addr) || addr[i] < ' ' || addr[i] == 0x7f {
				return false
			}
		case (c == ' ' || c == '<' || c == '>') && !quoted:
			return false
		}
	}
	return !quoted && utf8.ValidString(addr)
}

func clientIsASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
