package address

import (
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Target is an address that mail is for in the end.
type Target struct {
	Address message.Address
	// Account is the mailbox; "" when the domain is not ours, and when it is and there is no such mailbox: an alias may
	// name one that is gone. Mail for that one bounces, and the sender learns what would else be lost in silence.
	Account string
}

// Resolve returns what is behind an address of a local domain: each target once, in the order of the aliases. An
// address is looked for as it is, among aliases and then mailboxes, then without its tag, then as postmaster, then as
// the domain's catch-all. It is not known if nothing of this leads anywhere, or if the domain is not ours. has tells
// which mailboxes there are. At most MaxTargets come out; New has seen to it.
func (b *Book) Resolve(to message.Address, has func(account string) bool) (targets []Target, known bool) {
	if !b.Local(to.Domain) {
		return nil, false
	}
	name := Name(to)
	next, account := b.step(name, nil, has)
	if next == nil { // most addresses: no map is made for them
		if account == "" {
			return nil, false
		}
		return []Target{{to, account}}, true
	}
	w := walk{book: b, has: has, through: map[*alias]bool{}, seen: map[string]bool{}}
	w.expand(next)
	return w.targets, w.known
}

// step tells what a name leads to: an alias, or a mailbox, or neither. An alias that it comes from stands for the
// mailbox of that name.
func (b *Book) step(name string, from *alias, has func(string) bool) (*alias, string) {
	if a := b.aliases[name]; a != nil && a != from {
		return a, ""
	}
	if has(name) {
		return nil, name
	}
	base := untagged(name, b.tag)
	if base != "" {
		if a := b.aliases[base]; a != nil && a != from {
			return a, ""
		}
		if has(base) {
			return nil, base
		}
	}
	at := strings.LastIndexByte(name, '@')
	if b.postmaster != nil && b.postmaster != from && (name[:at] == "postmaster" || base != "" && base[:len(base)-len(name[at:])] == "postmaster") {
		return b.postmaster, ""
	}
	if a := b.aliases[name[at:]]; a != nil && a != from {
		return a, ""
	}
	return nil, ""
}

// walk is one Resolve over aliases.
type walk struct {
	book    *Book
	has     func(string) bool
	through map[*alias]bool // been there: each is expanded once
	seen    map[string]bool // names that are among targets
	targets []Target
	known   bool
}

func (w *walk) expand(a *alias) {
	if w.through[a] {
		return
	}
	w.through[a] = true
	for _, to := range a.to {
		if !w.book.Local(to.Domain) {
			w.known = true
			w.add(to, Name(to), "")
			continue
		}
		next, account := w.book.step(Name(to), a, w.has)
		switch {
		case next != nil && !w.through[next]:
			w.expand(next)
		case next != nil: // back where we have been: only over a catch-all or postmaster, since New refuses the rest
		case account != "":
			w.known = true
			w.add(to, account, account)
		default:
			w.add(to, Name(to), "")
		}
	}
}

// add appends a target unless its like is there. Two tags of one mailbox are alike: it gets the mail once.
func (w *walk) add(to message.Address, name, account string) {
	if !w.seen[name] {
		w.seen[name] = true
		w.targets = append(w.targets, Target{to, account})
	}
}
