package policy

import "github.com/posthaste-mta/posthaste/message"

// ReplyClass says what a refusal is about.
type ReplyClass uint8

const (
	Unknown          ReplyClass = iota
	BadMailbox                  // no such mailbox, or it is closed
	BadDomain                   // no such domain, or it takes no mail
	FullMailbox                 // over quota
	Greylisted                  // come back later; nothing is wrong
	RateOrReputation            // too much, too fast, or on a list
	Content                     // the content is refused: spam, virus, size
	PolicyOrAuth                // policy, or SPF, DKIM, DMARC, relaying
	Protocol                    // the peers do not understand each other
	Network                     // no connection, no answer, DNS
	NumReplyClasses
)

// Classify says what a reply is about.
func Classify(s message.Status) ReplyClass { return Unknown }
