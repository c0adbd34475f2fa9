package imap

import (
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// systemFlags are the names of the system flags (RFC 9051 2.3.2).
var systemFlags = [...]struct {
	bit  mailbox.System
	name goimap.Flag
}{
	{mailbox.Answered, goimap.FlagAnswered},
	{mailbox.Flagged, goimap.FlagFlagged},
	{mailbox.Deleted, goimap.FlagDeleted},
	{mailbox.Seen, goimap.FlagSeen},
	{mailbox.Draft, goimap.FlagDraft},
}

const allSystem = mailbox.Answered | mailbox.Flagged | mailbox.Deleted | mailbox.Seen | mailbox.Draft

const (
	maxKeyword  = 100 // octets
	maxKeywords = 100 // in a command
)

// readFlags turns a client's flags into the Store's. \Recent is nobody's to set; it is ignored.
func readFlags(list []goimap.Flag) (mailbox.Flags, error) {
	var f mailbox.Flags
	for _, name := range list {
		if strings.HasPrefix(string(name), `\`) {
			bit, ok := systemFlag(name)
			if !ok && !strings.EqualFold(string(name), `\Recent`) {
				return f, &goimap.Error{Type: goimap.StatusResponseTypeBad, Text: "There is no such system flag"}
			}
			f.System |= bit
			continue
		}
		if !isKeyword(string(name)) {
			return f, &goimap.Error{Type: goimap.StatusResponseTypeBad, Text: "A keyword is an atom of up to 100 ASCII characters"}
		}
		if !containsFold(f.Keywords, string(name)) {
			f.Keywords = append(f.Keywords, string(name))
		}
		if len(f.Keywords) > maxKeywords {
			return f, &goimap.Error{Type: goimap.StatusResponseTypeNo, Code: goimap.ResponseCodeLimit, Text: "Too many keywords"}
		}
	}
	slices.Sort(f.Keywords)
	return f, nil
}

func systemFlag(name goimap.Flag) (mailbox.System, bool) {
	for _, s := range systemFlags {
		if strings.EqualFold(string(s.name), string(name)) {
			return s.bit, true
		}
	}
	return 0, false
}

func isKeyword(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxKeyword
}

// listFlags turns flags into the library's.
func listFlags(f mailbox.Flags) []goimap.Flag {
	list := make([]goimap.Flag, 0, len(systemFlags)+len(f.Keywords)+1)
	for _, s := range systemFlags {
		if f.System&s.bit != 0 {
			list = append(list, s.name)
		}
	}
	for _, k := range f.Keywords {
		list = append(list, goimap.Flag(k))
	}
	return list
}

// hasFlag tells whether a message has a flag of that name, in any case.
func hasFlag(f mailbox.Flags, name goimap.Flag) bool {
	if strings.HasPrefix(string(name), `\`) {
		bit, ok := systemFlag(name)
		return ok && f.System&bit != 0
	}
	return containsFold(f.Keywords, string(name))
}
