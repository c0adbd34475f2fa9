package message

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// Received is what a trace line tells (RFC 5321 4.4). Whatever a client chose is cleaned when
// it is written: it can end neither a comment, nor the line, nor the field.
type Received struct {
	HELO    string     // what the client called itself
	Client  netip.Addr // invalid: left out
	Reverse string     // verified name of the client's address; "" if unknown
	By      string     // our host name
	With    string     // keyword of RFC 3848 or RFC 6531, such as ESMTPS; "" leaves it out
	ID      string     // queue id
	For     string     // the recipient if there is only one; else "", to keep the others secret
	TLS     string     // such as "TLS1.3 TLS_AES_128_GCM_SHA256"; "" for clear text
	Time    time.Time
}

// AppendReceived appends a Received field with its CRLF to b, without allocation.
func AppendReceived(b []byte, r Received) []byte {
	b = append(b, "Received: from "...)
	b = appendWord(b, r.HELO)
	if r.Client.IsValid() {
		b = append(b, " ("...)
		if r.Reverse != "" {
			b = appendWord(b, r.Reverse)
			b = append(b, ' ')
		}
		b = appendLiteral(b, r.Client)
		b = append(b, ')')
	}
	b = append(b, "\r\n\tby "...)
	b = appendWord(b, r.By)
	if r.With != "" {
		b = append(b, " with "...)
		b = appendWord(b, r.With)
	}
	if r.ID != "" {
		b = append(b, " id "...)
		b = appendWord(b, r.ID)
	}
	if r.TLS != "" {
		b = append(b, "\r\n\t("...)
		for i, word := 0, ""; i < len(r.TLS); i += len(word) + 1 {
			word, _, _ = strings.Cut(r.TLS[i:], " ")
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendWord(b, word)
		}
		b = append(b, ')')
	}
	// An address in UTF-8 may stand in the header only if the message may (RFC 6531 3.7.3).
	wide := strings.HasPrefix(r.With, "UTF8")
	if r.For != "" && len(r.For) <= maxAddress+2 && (wide || isASCII(r.For)) {
		b = append(b, "\r\n\tfor <"...)
		b = appendPath(b, r.For)
		b = append(b, '>')
	}
	b = append(b, ";\r\n\t"...)
	b = AppendDate(b, r.Time)
	return append(b, "\r\n"...)
}

// appendLiteral appends an address literal (RFC 5321 4.1.3).
func appendLiteral(b []byte, a netip.Addr) []byte {
	a = a.Unmap().WithZone("")
	b = append(b, '[')
	if a.Is6() {
		b = append(b, "IPv6:"...)
	}
	b = a.AppendTo(b)
	return append(b, ']')
}

// appendWord appends s as one word that means nothing to a header parser. A bad byte becomes "?".
func appendWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, "unknown"...)
	}
	for i := 0; i < len(s) && i < maxDomain; i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>\",;@`, c) >= 0 {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// appendPath appends the inside of a path, of which a control character or an angle bracket can
// be no good part.
func appendPath(b []byte, s string) []byte {
	valid := utf8.ValidString(s)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == 0x7f || c == '<' || c == '>' || c >= 0x80 && !valid {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// AppendDate appends t as a date-time of RFC 5322 3.3 to b, in t's own zone.
func AppendDate(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, "Mon, 02 Jan 2006 15:04:05 -0700")
}
