package smtp

import (
	"bytes"
	"errors"

	"github.com/posthaste-mta/posthaste/message"
)

var errPathSyntax = errors.New("smtp: no path in angle brackets")

// splitPath takes "<path>" off the beginning of arg and returns what is between the brackets,
// without a source route, and what follows. The mailbox in it is not checked yet, because what
// may be in it depends on the parameters that follow.
//
// A source route is to be ignored (RFC 5321 3.3, C): the mail is for the mailbox behind it, and
// whether that may be relayed is asked of that mailbox alone.
func splitPath(arg []byte) (mailbox, rest []byte, err error) {
	if len(arg) == 0 || arg[0] != '<' {
		return nil, nil, errPathSyntax
	}
	arg = arg[1:]
	if len(arg) > 0 && arg[0] == '@' {
		colon := bytes.IndexByte(arg, ':')
		if colon < 0 || !validRoute(arg[:colon]) {
			return nil, nil, errPathSyntax
		}
		arg = arg[colon+1:]
		if len(arg) > 0 && arg[0] == '>' {
			return nil, nil, errPathSyntax // a route to nobody is not the null path
		}
	}
	end := closingBracket(arg)
	if end < 0 {
		return nil, nil, errPathSyntax
	}
	rest = arg[end+1:]
	if len(rest) > 0 && rest[0] != ' ' {
		return nil, nil, errPathSyntax
	}
	return arg[:end], rest, nil
}

// closingBracket returns the index of the first ">" that is not within a quoted local part, or -1.
func closingBracket(s []byte) int {
	i := 0
	if len(s) > 0 && s[0] == '"' {
		for i = 1; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
		}
	}
	if i >= len(s) {
		return -1
	}
	n := bytes.IndexByte(s[i:], '>')
	if n < 0 {
		return -1
	}
	return i + n
}

// validRoute checks an A-d-l, "@one,@two" (RFC 5321 4.1.2).
func validRoute(s []byte) bool {
	for hop := range bytes.SplitSeq(s, []byte{','}) {
		if len(hop) < 2 || hop[0] != '@' {
			return false
		}
		if _, err := message.ParseDomain(string(hop[1:]), false); err != nil {
			return false
		}
	}
	return true
}

// cutKeyword takes "FROM:" or "TO:", in any case, off the beginning of arg, and spaces that
// many clients put behind it.
func cutKeyword(arg []byte, keyword string) (rest []byte, ok bool) {
	if len(arg) < len(keyword) {
		return nil, false
	}
	upperASCII(arg[:len(keyword)])
	if string(arg[:len(keyword)]) != keyword {
		return nil, false
	}
	return bytes.TrimLeft(arg[len(keyword):], " "), true
}
