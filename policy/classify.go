package policy

import (
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// ReplyClass says what a refusal is about.
type ReplyClass uint8

const (
	Unknown          ReplyClass = iota
	BadMailbox                  // no such mailbox, or it is closed
	BadDomain                   // no such domain, or it takes no mail
	FullMailbox                 // over quota
	Greylisted                  // come back later; nothing is wrong
	RateOrReputation            // too much, too fast, or the source is on a list
	Content                     // the content is refused: spam, virus, size
	PolicyOrAuth                // not allowed: SPF, DKIM, DMARC, TLS, relaying
	Protocol                    // the peers do not understand each other
	Network                     // no connection, no answer, no DNS
	NumReplyClasses
)

var replyClassNames = [NumReplyClasses]string{"unknown", "bad-mailbox", "bad-domain",
	"full-mailbox", "greylisted", "rate-or-reputation", "content", "policy-or-auth", "protocol",
	"network"}

// String returns the name that events and metrics use.
func (c ReplyClass) String() string {
	if c >= NumReplyClasses {
		c = Unknown
	}
	return replyClassNames[c]
}

// Classify says what a reply is about. The first rule that fits decides; a reply that no rule
// knows, or that refuses nothing, is Unknown.
func Classify(s message.Status) ReplyClass {
	if s.Code < 400 {
		return Unknown
	}
	text := strings.ToLower(s.Text)
	for i := range replyRules {
		if replyRules[i].fits(&s, text) {
			return replyRules[i].class
		}
	}
	return Unknown
}

// replyRule is one line of the table; what it leaves at zero fits anything.
type replyRule struct {
	code    int // a basic code, or 4 or 5 for a whole class
	subject int // of the enhanced code; fits only replies that have an enhanced code
	detail  int // with subject; anyDetail for all of it
	words   [2]string
	class   ReplyClass
}

const anyDetail = -1

// fits tells whether the rule is about s; text is s.Text in lower case, of which each of the
// rule's words must be a part.
func (r *replyRule) fits(s *message.Status, text string) bool {
	switch {
	case r.code >= 10 && r.code != s.Code, r.code > 0 && r.code < 10 && r.code != s.Code/100:
		return false
	case r.subject != 0 && r.subject != s.Enhanced[1]:
		return false
	case r.subject != 0 && r.detail != anyDetail && r.detail != s.Enhanced[2]:
		return false
	}
	return strings.Contains(text, r.words[0]) && strings.Contains(text, r.words[1])
}
