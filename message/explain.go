package message

// explain says in plain words what a status code of RFC 3463 means to whoever sent the message. It
// tells no more than the code does; the other side's own words stand beside it.
func explain(e EnhancedCode) string {
	if e[0] == 2 {
		return "All is well."
	}
	if s, ok := explanations[[2]int{e[1], e[2]}]; ok {
		return s
	}
	if s, ok := explanations[[2]int{e[1], anyDetail}]; ok {
		return s
	}
	if e[0] == 4 {
		return "The receiving server could not take the message now, and did not say more precisely why."
	}
	return "The receiving server refused the message, and did not say more precisely why."
}

const anyDetail = -1

// explanations are by subject and detail of the code (RFC 3463 3, RFC 7372, RFC 7505).
var explanations = map[[2]int]string{
	{1, 1}:         "There is no such mailbox at that domain. Please check the part before the @.",
	{1, 2}:         "There is no such domain, or it has no mail server. Please check the part after the @.",
	{1, 3}:         "The address is not written correctly.",
	{1, 6}:         "The mailbox has moved, and its server does not say where.",
	{1, 7}:         "The receiving server does not accept your address as that of a sender.",
	{1, 8}:         "The receiving server does not accept your address as that of a sender.",
	{1, 10}:        "The domain says that it takes no mail at all.",
	{1, anyDetail}: "The receiving server does not accept the address.",
	{2, 1}:         "The mailbox exists but takes no mail at present.",
	{2, 2}:         "The mailbox is full.",
	{2, 3}:         "The message is larger than the mailbox takes.",
	{2, anyDetail}: "Something is wrong with the mailbox.",
	{3, 1}:         "The receiving server has no space left.",
	{3, 4}:         "The message is larger than the receiving server takes.",
	{3, anyDetail}: "The receiving server is in trouble.",
	{4, 1}:         "The receiving server does not answer.",
	{4, 2}:         "The connection to the receiving server broke.",
	{4, 3}:         "The address of the receiving server could not be looked up.",
	{4, 4}:         "The address of the receiving server could not be looked up.",
	{4, 6}:         "The message was going round in circles between servers.",
	{4, 7}:         "The message was under way for too long.",
	{4, anyDetail}: "The receiving server could not be reached.",
	{5, 3}:         "The message has more recipients than the receiving server takes at once.",
	{5, anyDetail}: "The receiving server and this one did not understand each other.",
	{6, 7}:         "The address has characters that a server on the way cannot handle.",
	{6, 9}:         "The message has characters that a server on the way cannot handle.",
	{6, anyDetail}: "The receiving server cannot handle what the message contains.",
	{7, 1}:         "The receiving server does not allow this delivery.",
	{7, 5}:         "The receiving server offers no encryption that is good enough.",
	{7, 10}:        "The message may only be sent encrypted, and the receiving server does not do that well enough.",
	{7, 26}:        "The message failed the receiving server's checks of who sent it.",
	{7, 30}:        "The message asks for encryption that the receiving server does not offer.",
	{7, anyDetail}: "The receiving server does not accept the message for reasons of its policy.",
}
