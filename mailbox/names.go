package mailbox

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Separator stands between the levels of a folder's name.
const Separator = '/'

const (
	inbox         = "INBOX"
	separator     = "/"
	maxFolderName = 1000 // bytes
	maxFolders    = 2000 // of an account
)

// useNames are the folders that a new account has.
var useNames = [...]string{
	Inbox: inbox, Drafts: "Drafts", Sent: "Sent", Junk: "Junk", Trash: "Trash", Archive: "Archive",
}

// canonical returns the name as it is kept: INBOX in capitals, also as the first level; "" is INBOX.
func canonical(name string) string {
	if name == "" {
		return inbox
	}
	first, rest, below := strings.Cut(name, separator)
	if !strings.EqualFold(first, inbox) {
		return name
	}
	if !below {
		return inbox
	}
	return inbox + separator + rest
}

// checkFolderName returns the name as it is kept, or ErrName.
func checkFolderName(name string) (string, error) {
	bad := name == "" || len(name) > maxFolderName || !utf8.ValidString(name) ||
		strings.HasPrefix(name, separator) || strings.HasSuffix(name, separator) || strings.Contains(name, separator+separator) ||
		strings.ContainsAny(name, "%*") || strings.ContainsFunc(name, isBadRune)
	if bad {
		return "", fmt.Errorf("%w: folder %q", ErrName, name)
	}
	return canonical(name), nil
}

// isBadRune finds what RFC 9051 5.1 does not allow in names.
func isBadRune(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// parents returns the names above a name, the nearest last.
func parents(name string) []string {
	var up []string
	for i := range name {
		if name[i] == Separator {
			up = append(up, name[:i])
		}
	}
	return up
}
