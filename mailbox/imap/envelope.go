package imap

// envelope writes ENVELOPE (RFC 9051 7.5.2) of a message's header: the fields as they stand, unfolded.
func (o *output) envelope(header []byte) {
	var date, subject, replyTo, messageID, from, sender, recipients, cc, bcc, in string
	for name, field := range fields(header) {
		var into *string
		switch lower(name) {
		case "date":
			into = &date
		case "subject":
			into = &subject
		case "from":
			into = &from
		case "sender":
			into = &sender
		case "reply-to":
			into = &replyTo
		case "to":
			into = &recipients
		case "cc":
			into = &cc
		case "bcc":
			into = &bcc
		case "in-reply-to":
			into = &in
		case "message-id":
			into = &messageID
		default:
			continue
		}
		if *into == "" {
			*into = unfold(field)
		}
	}
	if sender == "" {
		sender = from
	}
	if replyTo == "" {
		replyTo = from
	}
	o.raw("(")
	o.nstring(date)
	o.raw(" ")
	o.nstring(subject)
	for _, list := range []string{from, sender, replyTo, recipients, cc, bcc} {
		o.raw(" ")
		o.addresses(list)
	}
	o.raw(" ")
	o.nstring(in)
	o.raw(" ")
	o.nstring(messageID)
	o.raw(")")
}

func (o *output) addresses(value string) {
	list := parseAddresses(value)
	if len(list) == 0 {
		o.raw("NIL")
		return
	}
	o.raw("(")
	for _, a := range list {
		o.raw("(")
		o.nstring(a.name)
		o.raw(" ")
		o.nstring(a.route)
		o.raw(" ")
		o.nstring(a.mailbox)
		o.raw(" ")
		if a.group || a.host != "" {
			o.nstring(a.host)
		} else {
			o.raw(`""`) // NIL would begin a group
		}
		o.raw(")")
	}
	o.raw(")")
}

func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
