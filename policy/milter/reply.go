package milter

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// maxText bounds the words of a filter that are passed on, in bytes; with code and enhanced code a line of it is
// within RFC 5321 4.5.3.1.5.
const maxText = 480

// The replies for filters that give no words of their own, and for those that give no answer.
var (
	statusRejected   = message.Status{Code: 550, Enhanced: message.EnhancedCode{5, 7, 1}, Text: "Message refused by a content filter"}
	statusTempfailed = message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 7, 1}, Text: "Message not taken now, try again later"}
	statusNotScanned = message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 7, 1}, Text: "Message could not be checked, try again later"}
)

// parseReply reads a filter's own SMTP reply, which may have several lines: "550 5.7.1 text".
func parseReply(data []byte) (message.Status, error) {
	text, _ := cutCString(data)
	text = strings.ReplaceAll(text, "%%", "%") // Sendmail formats with it, so filters double it
	var s message.Status
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		code, enhanced, rest, ok := splitReply(line)
		if !ok {
			return s, fmt.Errorf("%w: %q is not a 4xx or 5xx reply", errProtocol, message.CleanLine(line, 80))
		}
		if s.Code == 0 {
			s.Code, s.Enhanced = code, enhanced
		}
		words = append(words, rest)
	}
	if s.Code == 0 {
		return s, fmt.Errorf("%w: an empty reply", errProtocol)
	}
	if s.Code == 421 {
		s.Code = 451 // the reply is to the message; 421 would say that the connection ends
	}
	if s.Enhanced == (message.EnhancedCode{}) {
		s.Enhanced = message.EnhancedCode{s.Code / 100, 7, 1}
	}
	s.Text = plainReply(strings.Join(words, "\n"))
	if s.Text == "" {
		s.Text = statusRejected.Text
	}
	return s, nil
}

// splitReply takes a line of a reply apart. A filter's enhanced code counts only if it fits the code.
func splitReply(line string) (code int, enhanced message.EnhancedCode, text string, ok bool) {
	if len(line) < 3 || line[0] != '4' && line[0] != '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, enhanced, "", false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, enhanced, "", true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, enhanced, "", false
	}
	text = strings.TrimSpace(line[4:])
	first, rest, _ := strings.Cut(text, " ")
	if e, ok := parseEnhanced(first); ok && e[0] == code/100 {
		return code, e, strings.TrimSpace(rest), true
	}
	return code, enhanced, text, true
}

func parseEnhanced(s string) (e message.EnhancedCode, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return e, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || len(p) > 3 {
			return e, false
		}
		e[i] = int(n)
	}
	return e, true
}

// plainReply makes words fit for a reply: printable ASCII, line breaks only between lines.
func plainReply(s string) string {
	s = message.CleanText(s, maxText)
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
