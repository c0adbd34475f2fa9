package address

import (
	"fmt"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// Book knows the local domains and the aliases. It does not change; a new configuration makes a new one.
type Book struct {
	domains    map[string]struct{}
	tag        string
	aliases    map[string]*alias // by Name, or "@domain"
	postmaster *alias            // nil: nobody
}

// alias is an Alias that has been read.
type alias struct {
	index int // in the configuration; -1: of none
	to    []message.Address
}

// New reads a configuration. What is wrong with an alias is an *AliasError.
func New(c Config) (*Book, error) {
	b := &Book{domains: make(map[string]struct{}, len(c.Domains)), tag: c.Tag, aliases: make(map[string]*alias, len(c.Aliases))}
	if err := checkTag(c.Tag); err != nil {
		return nil, err
	}
	for _, text := range c.Domains {
		domain, err := message.ParseDomain(text, true)
		if err != nil {
			return nil, fmt.Errorf("address: domain %q: %w", text, err)
		}
		b.domains[domain] = struct{}{}
	}
	for i := range c.Aliases {
		if err := b.add(i, &c.Aliases[i]); err != nil {
			return nil, err
		}
	}
	if c.Postmaster != "" {
		to, err := message.ParseAddress(c.Postmaster, true)
		if err != nil {
			return nil, fmt.Errorf("address: postmaster %q: %w", c.Postmaster, err)
		}
		b.postmaster = &alias{index: -1, to: []message.Address{to}}
	}
	if err := b.checkAliases(); err != nil {
		return nil, err
	}
	return b, nil
}

// checkTag takes what cannot be mistaken for a letter, and what needs no quotes.
func checkTag(tag string) error {
	if tag == "" || len(tag) == 1 && strings.Contains("+-=_#~", tag) {
		return nil
	}
	return fmt.Errorf("address: tag %q is not one character such as + or -", tag)
}

// add reads one alias.
func (b *Book) add(i int, in *Alias) error {
	key, domain, err := parseKey(in.Address)
	switch {
	case err != nil:
		return &AliasError{i, -1, fmt.Errorf("%q: %w", message.CleanLine(in.Address, 100), err)}
	case !b.Local(domain):
		return &AliasError{i, -1, fmt.Errorf("%s %w", key, ErrForeign)}
	case b.aliases[key] != nil:
		return &AliasError{i, -1, fmt.Errorf("%s %w", key, ErrTwice)}
	case len(in.To) == 0:
		return &AliasError{i, -1, fmt.Errorf("%s %w", key, ErrEmpty)}
	}
	made := &alias{index: i, to: make([]message.Address, len(in.To))}
	for k, text := range in.To {
		if made.to[k], err = message.ParseAddress(text, true); err != nil {
			return &AliasError{i, k, fmt.Errorf("%q: %w", message.CleanLine(text, 100), err)}
		}
	}
	b.aliases[key] = made
	return nil
}

// parseKey reads the address of an alias.
func parseKey(text string) (key, domain string, err error) {
	if rest, all := strings.CutPrefix(text, "@"); all {
		domain, err = message.ParseDomain(rest, true)
		return "@" + domain, domain, err
	}
	return ParseName(text)
}

// Local tells whether a domain, in lower case and as A-labels, is ours.
func (b *Book) Local(domain string) bool {
	if b == nil {
		return false
	}
	_, ok := b.domains[domain]
	return ok
}

// Account returns the mailbox that an address has by itself: aliases do not count. It is what mail that waits in the
// queue is delivered by, since its aliases are behind it.
func (b *Book) Account(to message.Address, has func(account string) bool) (account string, ok bool) {
	if !b.Local(to.Domain) {
		return "", false
	}
	return b.account(Name(to), has)
}

func (b *Book) account(name string, has func(string) bool) (string, bool) {
	if has(name) {
		return name, true
	}
	if name = untagged(name, b.tag); name != "" && has(name) {
		return name, true
	}
	return "", false
}
