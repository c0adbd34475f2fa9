package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"

	"github.com/posthaste-mta/posthaste/message"
)

// The sizes of what a client says, in bytes. RFC 4616 2 has 255 for names and secrets.
const (
	maxName   = 255
	maxSecret = 255
	// minSecret is for secrets that people choose. Of the stored values the SCRAM keys are the cheaper
	// to guess against, and no count of iterations that phones can bear saves a short secret.
	minSecret = 12
)

// Both are prepared with SASLprep (RFC 4013), as RFC 4616 2 and RFC 5802 5.1 ask. Its successor
// OpaqueString (RFC 8265) keeps some characters that SASLprep changes; the clients that prepare at
// all use SASLprep, and with SCRAM both sides have to do the same.

// nameKey returns what a name is found by: prepared, in lower case because people write addresses as they like, and with
// the domain of an address as A-labels because programs write it either way. ok is false for what can be no name.
func nameKey(name string) (key string, ok bool) {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) {
		return "", false
	}
	prepared, err := prepare(name)
	if err != nil || prepared == "" || strings.ContainsFunc(prepared, isUnfitForName) {
		return "", false
	}
	key = strings.ToLower(prepared)
	if at := strings.LastIndexByte(key, '@'); strings.ContainsFunc(key[at+1:], func(r rune) bool { return r >= utf8.RuneSelf }) && at >= 0 {
		if domain, err := message.ParseDomain(key[at+1:], true); err == nil {
			key = key[:at+1] + domain
		}
	}
	return key, len(key) <= maxName
}

func isUnfitForName(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// preparedSecret returns the form of a secret that is hashed. ok is false for what can be none.
func preparedSecret(secret string) (prepared string, ok bool) {
	if secret == "" || len(secret) > maxSecret || !utf8.ValidString(secret) {
		return "", false
	}
	prepared, err := prepare(secret)
	return prepared, err == nil && prepared != ""
}

func prepare(s string) (string, error) {
	for i := 0; ; i++ {
		if i == len(s) {
			return s, nil // printable ASCII is what SASLprep makes of it
		}
		if s[i] < ' ' || s[i] > '~' {
			return stringprep.SASLprep.Prepare(s)
		}
	}
}

// newSecret checks a secret that somebody chose. No error repeats any of it.
func newSecret(secret string) (prepared string, err error) {
	switch prepared, ok := preparedSecret(secret); {
	case len(secret) > maxSecret:
		return "", fmt.Errorf("secret is longer than %d bytes", maxSecret)
	case !ok:
		return "", errors.New("secret is empty or has characters that SASLprep (RFC 4013) does not allow, such as control characters or emoji")
	case utf8.RuneCountInString(prepared) < minSecret:
		return "", fmt.Errorf("secret is shorter than %d characters", minSecret)
	default:
		return prepared, nil
	}
}
