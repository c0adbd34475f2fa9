package main

import "slices"

// readsMail tells whether the listener is one where owners of mailboxes read their mail.
func (l *Listener) readsMail() bool { return l.Kind == "imap" || l.Kind == "pop3" }

// listenersOf counts the listeners of a kind.
func (c *Config) listenersOf(kind string) (n int) {
	for _, l := range c.Listeners {
		if l.Kind == kind {
			n++
		}
	}
	return n
}

// mailListenerKeys are those of a listener that mean nothing where mail is read.
var mailListenerKeys = []string{
	"tenant", "class", "auth", "inbound", "dkim", "limits.recipients", "limits.line_length", "limits.transaction_time",
	"limits.bare_lf", "limits.max_received",
}

// mailListener checks a listener where mail is read; key is its table.
func (c *checker) mailListener(key string, l *Listener) {
	if len(c.cfg.Mailbox.Domains) == 0 {
		c.fail(key+".kind", "is %s, but there are no mailboxes: set mailbox.domains", l.Kind)
	}
	other := map[string]string{"pop3": "limits.message_size", "imap": "limits.commands"}
	keys := append(slices.Clip(mailListenerKeys), other[l.Kind])
	for _, name := range keys {
		if c.pos.lines[key+"."+name] > 0 {
			c.fail(key+"."+name, "is of no use for a listener of kind %s", l.Kind)
		}
	}
}
