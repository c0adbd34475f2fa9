package mailbox

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Folders of a Maildir have names in modified UTF-7 (RFC 3501 5.1.3), with dots and slashes encoded as well.

const utf7Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,"

func utf7Base64() *base64.Encoding {
	return base64.NewEncoding(utf7Alphabet).WithPadding(base64.NoPadding)
}

func plainInUTF7(r rune) bool { return r >= ' ' && r < 0x7f && r != '.' && r != '/' }

func encodeUTF7(s string) string {
	var b strings.Builder
	var units []uint16
	flush := func() {
		if len(units) == 0 {
			return
		}
		raw := make([]byte, 0, 2*len(units))
		for _, u := range units {
			raw = append(raw, byte(u>>8), byte(u))
		}
		b.WriteString("&" + utf7Base64().EncodeToString(raw) + "-")
		units = units[:0]
	}
	for _, r := range s {
		if !plainInUTF7(r) {
			units = utf16.AppendRune(units, r)
			continue
		}
		flush()
		if b.WriteRune(r); r == '&' {
			b.WriteByte('-')
		}
	}
	flush()
	return b.String()
}

func decodeUTF7(s string) (string, error) {
	var b strings.Builder
	for s != "" {
		plain, rest, shifted := strings.Cut(s, "&")
		b.WriteString(plain)
		if !shifted {
			break
		}
		code, after, ended := strings.Cut(rest, "-")
		if !ended {
			return "", fmt.Errorf("%w: no modified UTF-7", ErrName)
		}
		s = after
		if code == "" {
			b.WriteByte('&')
			continue
		}
		raw, err := utf7Base64().DecodeString(code)
		if err != nil || len(raw)%2 != 0 {
			return "", fmt.Errorf("%w: no modified UTF-7", ErrName)
		}
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = uint16(raw[2*i])<<8 | uint16(raw[2*i+1])
		}
		b.WriteString(string(utf16.Decode(units)))
	}
	if !utf8.ValidString(b.String()) {
		return "", fmt.Errorf("%w: no modified UTF-7", ErrName)
	}
	return b.String(), nil
}
