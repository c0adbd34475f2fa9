package smtp

import (
	"bytes"
	"errors"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/posthaste-mta/posthaste/message"
)

var (
	errUnknownParameter = errors.New("smtp: unknown parameter")
	errBadParameter     = errors.New("smtp: bad parameter")
	errSizeOverflow     = errors.New("smtp: size too large to count")
)

// eachParameter calls f with the keyword, in upper case, and the value of each parameter of MAIL
// or RCPT (RFC 5321 4.1.2), until f fails; it returns the keyword that failed. hasValue tells "A="
// from "A".
func eachParameter(params []byte, f func(keyword, value []byte, hasValue bool) error) (failed []byte, err error) {
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte{' '})
		if len(param) == 0 {
			continue
		}
		keyword, value, hasValue := bytes.Cut(param, []byte{'='})
		upperASCII(keyword)
		if hasValue && len(value) == 0 || bytes.IndexByte(value, '=') >= 0 {
			return keyword, errBadParameter
		}
		if err := f(keyword, value, hasValue); err != nil {
			return keyword, err
		}
	}
	return nil, nil
}

// seenParameters finds a parameter that is given twice, of which only one could be meant.
type seenParameters uint16

func (s *seenParameters) mark(bit uint) error {
	if *s&(1<<bit) != 0 {
		return errBadParameter
	}
	*s |= 1 << bit
	return nil
}

// mailParameters says which parameters of MAIL are offered.
type mailParameters struct{ utf8, dsn, auth, requireTLS bool }

// parse reads the parameters of MAIL into opts.
func (offered mailParameters) parse(params []byte, opts *gosmtp.MailOptions) (failed []byte, err error) {
	var seen seenParameters
	return eachParameter(params, func(keyword, value []byte, hasValue bool) error {
		switch k := string(keyword); {
		case k == "SIZE":
			return errors.Join(seen.mark(0), parseSize(value, &opts.Size))
		case k == "BODY":
			return errors.Join(seen.mark(1), parseBody(value, &opts.Body))
		case k == "SMTPUTF8" && offered.utf8:
			opts.UTF8 = true
			return errors.Join(seen.mark(2), noValue(hasValue))
		case k == "RET" && offered.dsn:
			return errors.Join(seen.mark(3), parseReturn(value, &opts.Return))
		case k == "ENVID" && offered.dsn:
			return errors.Join(seen.mark(4), parseEnvelopeID(value, &opts.EnvelopeID))
		case k == "AUTH" && offered.auth:
			return errors.Join(seen.mark(5), parseAuthParameter(value, &opts.Auth))
		case k == "REQUIRETLS" && offered.requireTLS:
			opts.RequireTLS = true
			return errors.Join(seen.mark(6), noValue(hasValue))
		}
		return errUnknownParameter
	})
}

// parseRcptParameters reads the parameters of RCPT into opts; utf8 tells that MAIL had SMTPUTF8.
func parseRcptParameters(params []byte, utf8 bool, opts *gosmtp.RcptOptions) (failed []byte, err error) {
	var seen seenParameters
	return eachParameter(params, func(keyword, value []byte, _ bool) error {
		switch string(keyword) {
		case "NOTIFY":
			return errors.Join(seen.mark(0), parseNotify(value, &opts.Notify))
		case "ORCPT":
			return errors.Join(seen.mark(1), parseOriginal(value, utf8, opts))
		}
		return errUnknownParameter
	})
}

func noValue(hasValue bool) error {
	if hasValue {
		return errBadParameter
	}
	return nil
}

// parseSize reads the value of SIZE (RFC 1870 3), or a chunk size (RFC 3030 2): at most 20 digits,
// of which 19 may make a number too large for anything.
func parseSize(value []byte, size *int64) error {
	if len(value) == 0 {
		return errBadParameter
	}
	n := int64(0)
	overflow := false
	for _, d := range value {
		if d < '0' || d > '9' {
			return errBadParameter
		}
		if n > (1<<63-10)/10 {
			overflow = true
			continue
		}
		n = n*10 + int64(d-'0')
	}
	if overflow {
		return errSizeOverflow
	}
	*size = n
	return nil
}

func parseBody(value []byte, body *gosmtp.BodyType) error {
	switch {
	case bytes.EqualFold(value, []byte(gosmtp.Body7Bit)):
		*body = gosmtp.Body7Bit
	case bytes.EqualFold(value, []byte(gosmtp.Body8BitMIME)):
		*body = gosmtp.Body8BitMIME
	default:
		return errBadParameter
	}
	return nil
}

func parseReturn(value []byte, ret *gosmtp.DSNReturn) error {
	switch {
	case bytes.EqualFold(value, []byte(gosmtp.DSNReturnFull)):
		*ret = gosmtp.DSNReturnFull
	case bytes.EqualFold(value, []byte(gosmtp.DSNReturnHeaders)):
		*ret = gosmtp.DSNReturnHeaders
	default:
		return errBadParameter
	}
	return nil
}

// maxEnvelopeID bounds ENVID, as xtext (RFC 3461 4.4).
const maxEnvelopeID = 100

func parseEnvelopeID(value []byte, id *string) error {
	if len(value) == 0 || len(value) > maxEnvelopeID {
		return errBadParameter
	}
	text, err := message.DecodeXtext(string(value))
	if err != nil {
		return errBadParameter
	}
	*id = text
	return nil
}

// parseAuthParameter reads AUTH= of MAIL (RFC 4954 5), a mailbox in xtext or "<>".
func parseAuthParameter(value []byte, identity **string) error {
	text, err := message.DecodeXtext(string(value))
	if err != nil || text == "" {
		return errBadParameter
	}
	if text == "<>" {
		text = ""
	} else if _, err := message.ParseAddress(text, false); err != nil {
		return errBadParameter
	}
	*identity = &text
	return nil
}

// parseNotify reads NOTIFY (RFC 3461 4.1): NEVER alone, or a list of the others.
func parseNotify(value []byte, notify *[]gosmtp.DSNNotify) error {
	var list []gosmtp.DSNNotify
	for word := range bytes.SplitSeq(value, []byte{','}) {
		n, err := notifyWord(word)
		if err != nil {
			return err
		}
		for _, had := range list {
			if had == n || had == gosmtp.DSNNotifyNever || n == gosmtp.DSNNotifyNever {
				return errBadParameter
			}
		}
		list = append(list, n)
	}
	*notify = list
	return nil
}

func notifyWord(word []byte) (gosmtp.DSNNotify, error) {
	for _, n := range [...]gosmtp.DSNNotify{gosmtp.DSNNotifySuccess, gosmtp.DSNNotifyFailure, gosmtp.DSNNotifyDelayed, gosmtp.DSNNotifyNever} {
		if bytes.EqualFold(word, []byte(n)) {
			return n, nil
		}
	}
	return "", errBadParameter
}

// maxOriginalRecipient bounds ORCPT (RFC 3461 4.2).
const maxOriginalRecipient = 500

func parseOriginal(value []byte, utf8 bool, opts *gosmtp.RcptOptions) error {
	if len(value) > maxOriginalRecipient {
		return errBadParameter
	}
	addrType, addr, err := message.ParseOriginalRecipient(string(value), utf8)
	if err != nil {
		return errBadParameter
	}
	opts.OriginalRecipientType = gosmtp.DSNAddressType(addrType) // go-smtp has it in upper case, whatever was said
	opts.OriginalRecipient = addr
	return nil
}
