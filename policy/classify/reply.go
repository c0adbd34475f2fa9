package classify

import (
	"errors"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

var errNoReply = errors.New(`a reply begins with a code from 400 to 599, such as "550 5.1.1 No such user"`)

// ParseReply reads a refusal as it is on the wire: a code, maybe an enhanced code, text. It may have
// several lines, "550-5.1.1 no such" and "550 5.1.1 user", or be cut out of a log.
func ParseReply(text string) (message.Status, error) {
	s := message.Status{Remote: true}
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		code, enhanced, words, ok := parseLine(strings.TrimSpace(line))
		if !ok {
			return s, errNoReply
		}
		s.Code = code
		if enhanced != (message.EnhancedCode{}) {
			s.Enhanced = enhanced
		}
		lines = append(lines, words)
	}
	if len(lines) == 0 {
		return s, errNoReply
	}
	s.Text = strings.Join(lines, "\n")
	return s, nil
}

func parseLine(line string) (code int, e message.EnhancedCode, words string, ok bool) {
	if len(line) < 3 {
		return 0, e, "", false
	}
	code, err := strconv.Atoi(line[:3])
	if err != nil || code < 400 || code > 599 {
		return 0, e, "", false
	}
	words = line[3:]
	if words != "" && words[0] != ' ' && words[0] != '-' {
		return 0, e, "", false
	}
	words = strings.TrimPrefix(strings.TrimPrefix(words, "-"), " ")
	first, rest, _ := strings.Cut(words, " ")
	if e, ok = parseEnhanced(first); ok && e[0] == code/100 {
		words = rest
	} else {
		e = message.EnhancedCode{}
	}
	return code, e, words, true
}

func parseEnhanced(word string) (e message.EnhancedCode, ok bool) {
	parts := strings.Split(word, ".")
	if len(parts) != 3 {
		return e, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 10)
		if err != nil || n > 999 {
			return e, false
		}
		e[i] = int(n)
	}
	return e, true
}
