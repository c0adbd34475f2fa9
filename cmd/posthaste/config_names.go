package main

import (
	"fmt"
	"strings"
)

// checkHostname tells what is wrong with a name for EHLO and Received (RFC 5321 2.3.5 wants a
// fully qualified one; a lone label is let through for private networks).
func checkHostname(s string) string {
	if s == "" {
		return "is missing, and this machine has no name: set it"
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return ""
	}
	return checkDomain(s)
}

// checkDomain tells what is wrong with a domain name (RFC 1035 2.3.4, with the underscores that
// people use); "" if nothing is. Letters beyond ASCII are wanted as A-labels, because that is
// what mail is queued by.
func checkDomain(s string) string {
	if s == "" || len(s) > 253 {
		return fmt.Sprintf("%q is not a domain name (1 to 253 characters)", s)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Sprintf("%q is not a domain name", s)
		}
		for _, c := range label {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			case c > 127:
				return fmt.Sprintf("%q has letters beyond ASCII: write its xn-- form", s)
			default:
				return fmt.Sprintf("%q is not a domain name", s)
			}
		}
	}
	return ""
}
