package policy

// replyRules says what replies mean, the first that fits. Order: words that leave no doubt, since
// many hosts give a code that says less or something else than the words beside it; then enhanced
// codes (RFC 3463, RFC 7372, the IANA list); then weaker words; last the basic codes.
var replyRules = []replyRule{
	// Greylisting. All say 4xx; few give a code of their own.
	{code: 4, words: [2]string{"greylist"}, class: Greylisted},
	{code: 4, words: [2]string{"graylist"}, class: Greylisted},
	{code: 4, words: [2]string{"grey list"}, class: Greylisted},
	{code: 4, words: [2]string{"gray list"}, class: Greylisted},
	{code: 4, words: [2]string{"grey-list"}, class: Greylisted},
	{code: 4, words: [2]string{"gray-list"}, class: Greylisted},
	{code: 4, words: [2]string{"please come back in "}, class: Greylisted},
	{code: 4, words: [2]string{"not yet authorized to deliver mail from"}, class: Greylisted},
	{code: 4, words: [2]string{"temporary failure, please try again later"}, class: Greylisted},
	{code: 4, words: [2]string{"internal resources are temporarily unavailable"}, class: Greylisted},
	{code: 4, words: [2]string{"resources temporarily not available", "try again"}, class: Greylisted},
	{code: 4, words: [2]string{"first time", "sender"}, class: Greylisted},
	{code: 4, words: [2]string{"triplet"}, class: Greylisted},
	{code: 4, subject: 7, detail: 1, words: [2]string{"try again later"}, class: Greylisted},

	// Lists and rates.
	{words: [2]string{"blacklist"}, class: RateOrReputation},
	{words: [2]string{"blocklist"}, class: RateOrReputation},
	{words: [2]string{"block list"}, class: RateOrReputation},
	{words: [2]string{"spamhaus"}, class: RateOrReputation},
	{words: [2]string{"spamcop"}, class: RateOrReputation},
	{words: [2]string{"barracudacentral"}, class: RateOrReputation},
	{words: [2]string{"reputation"}, class: RateOrReputation},
	{words: [2]string{"unsolicited mail originating from your ip"}, class: RateOrReputation},
	{words: [2]string{"user complaints"}, class: RateOrReputation},
	{words: [2]string{"too many"}, class: RateOrReputation},
	{words: [2]string{"too fast"}, class: RateOrReputation},
	{words: [2]string{"rate limit"}, class: RateOrReputation},
	{words: [2]string{"throttl"}, class: RateOrReputation},
	{words: [2]string{"receiving mail at a rate"}, class: RateOrReputation},
	{words: [2]string{"server busy"}, class: RateOrReputation},

	// Enhanced codes.
	{subject: 1, detail: 1, class: BadMailbox},
	{subject: 1, detail: 2, class: BadDomain},
	{subject: 1, detail: 3, class: BadMailbox},
	{subject: 1, detail: 4, class: BadMailbox},
	{subject: 1, detail: 6, class: BadMailbox},
	{subject: 1, detail: 7, class: PolicyOrAuth}, // the sender's address
	{subject: 1, detail: 8, class: PolicyOrAuth},
	{subject: 1, detail: 10, class: BadDomain}, // null MX (RFC 7505)
	{subject: 2, detail: 1, class: BadMailbox},
	{subject: 2, detail: 2, class: FullMailbox},
	{subject: 2, detail: 3, class: Content}, // longer than the mailbox takes
	{subject: 2, detail: 4, class: BadMailbox},
	{subject: 3, detail: 1, class: FullMailbox}, // the host's disk
	{subject: 3, detail: 4, class: Content},     // too big
	{subject: 4, detail: anyDetail, class: Network},
	{subject: 5, detail: 3, class: RateOrReputation}, // too many recipients
	{subject: 5, detail: anyDetail, class: Protocol},
	{subject: 6, detail: anyDetail, class: Content},
	{subject: 7, detail: 28, class: RateOrReputation}, // mail flood
	{subject: 7, detail: anyDetail, words: [2]string{"spam"}, class: Content},
	{subject: 7, detail: anyDetail, words: [2]string{"virus"}, class: Content},
	{subject: 7, detail: anyDetail, class: PolicyOrAuth},

	// Words, of hosts without enhanced codes.
	{words: [2]string{"over quota"}, class: FullMailbox},
	{words: [2]string{"quota exceeded"}, class: FullMailbox},
	{words: [2]string{"mailbox", "full"}, class: FullMailbox},
	{words: [2]string{"user unknown"}, class: BadMailbox},
	{words: [2]string{"unknown user"}, class: BadMailbox},
	{words: [2]string{"no such user"}, class: BadMailbox},
	{words: [2]string{"no such recipient"}, class: BadMailbox},
	{words: [2]string{"no mailbox"}, class: BadMailbox},
	{words: [2]string{"mailbox unavailable"}, class: BadMailbox},
	{words: [2]string{"mailbox not found"}, class: BadMailbox},
	{words: [2]string{"does not exist"}, class: BadMailbox},
	{words: [2]string{"recipient", "unknown"}, class: BadMailbox},
	{words: [2]string{"relay"}, class: PolicyOrAuth},
	{words: [2]string{"spf"}, class: PolicyOrAuth},
	{words: [2]string{"dkim"}, class: PolicyOrAuth},
	{words: [2]string{"dmarc"}, class: PolicyOrAuth},
	{words: [2]string{"virus"}, class: Content},
	{words: [2]string{"spam"}, class: Content},

	// Basic codes (RFC 5321 4.2.3).
	{code: 550, class: BadMailbox},
	{code: 553, class: BadMailbox},
	{code: 551, class: BadMailbox},
	{code: 552, class: FullMailbox},
	{code: 452, class: FullMailbox},
	{code: 556, class: BadDomain},
	{code: 530, class: PolicyOrAuth},
	{code: 535, class: PolicyOrAuth},
	{code: 500, class: Protocol},
	{code: 501, class: Protocol},
	{code: 502, class: Protocol},
	{code: 503, class: Protocol},
	{code: 504, class: Protocol},
	{code: 555, class: Protocol},
}
