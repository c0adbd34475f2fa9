package message

import (
	"errors"
	"fmt"
)

// maxMailboxes bounds the addresses in one field. RFC 5322 has no limit; no author has this many.
const maxMailboxes = 200

// ErrBadMailboxes is wrapped by every error of ParseMailboxes and FromAddresses.
var ErrBadMailboxes = errors.New("message: bad address field")

// FromAddresses returns the addresses of all From fields in content's header. RFC 5322 3.6 allows one
// field; where there are more, programs differ in which they show. None is there if the list is empty.
func FromAddresses(content []byte) (list []Address, err error) {
	for f := range Fields(content) {
		if !f.Is(content, "From") {
			continue
		}
		if list, err = appendMailboxes(list, f.Value(content)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ParseMailboxes reads the value of an address field (RFC 5322 3.4, and what RFC 6532 adds): mailboxes with or
// without display names, and groups, whose members it returns with the rest. Comments are passed over and encoded
// words left as they are. It looks at each byte once, and keeps nothing of value.
//
// What the grammar does not allow is refused, other than by programs that show mail, which guess: whoever asks
// whether an address may stand here must not read another one than they do. So are source routes, white space
// within an address and escapes in a quoted local part, which the obsolete grammar has.
func ParseMailboxes(value []byte) ([]Address, error) { return appendMailboxes(nil, value) }

func appendMailboxes(list []Address, value []byte) ([]Address, error) {
	p := mailboxParser{rest: value, list: list}
	for group := false; ; {
		ended, err := p.address(&group)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadMailboxes, err)
		}
		if ended {
			return p.list, nil
		}
	}
}

// mailboxParser reads from the front of rest.
type mailboxParser struct {
	rest []byte
	list []Address
}

// address reads one mailbox, the beginning or the end of a group, or nothing, and the separator behind it. group
// tells whether a group is open; groups do not nest.
func (p *mailboxParser) address(group *bool) (ended bool, err error) {
	start, words, err := p.phrase()
	if err != nil {
		return false, err
	}
	switch c := p.peek(); {
	case c == '<':
		err = p.angled()
	case c == '@' && words == 1:
		err = p.bare(start)
	case c == ':' && words > 0 && !*group:
		*group = true
		p.rest = p.rest[1:]
		return false, nil
	case words > 0:
		return false, errors.New("a name without an address")
	}
	if err == nil {
		err = p.space()
	}
	if err != nil {
		return false, err
	}
	return p.separator(group)
}

// separator reads what stands between two addresses; more of them than are needed do no harm (RFC 5322 4.4).
func (p *mailboxParser) separator(group *bool) (ended bool, err error) {
	switch c := p.peek(); {
	case len(p.rest) == 0 && *group:
		return false, errors.New("a group without an end")
	case len(p.rest) == 0:
		return true, nil
	case c == ';' && *group:
		*group = false
		p.rest = p.rest[1:]
		if err := p.space(); err != nil {
			return false, err
		}
		if len(p.rest) > 0 && p.rest[0] != ',' {
			return false, errors.New("no comma behind a group")
		}
		return len(p.rest) == 0, nil
	case c == ',':
		p.rest = p.rest[1:]
		return false, nil
	default:
		return false, fmt.Errorf("%q is not allowed here", c)
	}
}

// peek returns the next byte; 0 at the end.
func (p *mailboxParser) peek() byte {
	if len(p.rest) == 0 {
		return 0
	}
	return p.rest[0]
}

// phrase reads words: a display name, or the local part of an address without one. start is where the last word begins,
// and words how many there are; the white space behind it is read, unless "@" follows.
func (p *mailboxParser) phrase() (start []byte, words int, err error) {
	for {
		if err := p.space(); err != nil {
			return nil, 0, err
		}
		before := p.rest
		switch c := p.peek(); {
		case c == '"':
			err = p.quoted()
		case c == '.' || c >= 0x80 || atext[c]:
			for len(p.rest) > 0 && (p.rest[0] == '.' || p.rest[0] >= 0x80 || atext[p.rest[0]]) {
				p.rest = p.rest[1:]
			}
		default:
			return start, words, nil
		}
		if err != nil {
			return nil, 0, err
		}
		start = before
		words++
		if p.peek() == '@' {
			return start, words, nil
		}
	}
}

// angled reads "<local@domain>".
func (p *mailboxParser) angled() error {
	p.rest = p.rest[1:]
	if err := p.space(); err != nil {
		return err
	}
	start := p.rest
	if p.peek() == '"' {
		if err := p.quoted(); err != nil {
			return err
		}
	}
	for c := p.peek(); c != '@' && c != 0; c = p.peek() {
		if c == '>' || c == '<' || c == '"' {
			return errors.New("no address between < and >")
		}
		p.rest = p.rest[1:]
	}
	if err := p.bare(start); err != nil {
		return err
	}
	if err := p.space(); err != nil {
		return err
	}
	if p.peek() != '>' {
		return errors.New("< without >")
	}
	p.rest = p.rest[1:]
	return nil
}

// bare reads "@domain" and keeps the address, whose local part begins at start.
func (p *mailboxParser) bare(start []byte) error {
	if p.peek() != '@' {
		return errors.New("an address without @")
	}
	p.rest = p.rest[1:]
	literal := p.peek() == '['
	for len(p.rest) > 0 {
		c := p.rest[0]
		if !literal && c != '.' && c < 0x80 && !atext[c] || isBlank(c) || c == '\r' || c == '\n' {
			break
		}
		p.rest = p.rest[1:]
		if literal && c == ']' {
			break
		}
	}
	raw := start[:len(start)-len(p.rest)]
	if len(raw) > 2*maxAddress { // more than U-labels could make shorter
		return errors.New("an address that is too long")
	}
	a, err := ParseAddress(string(raw), true)
	if err != nil {
		return err
	}
	if len(p.list) >= maxMailboxes {
		return fmt.Errorf("more than %d addresses", maxMailboxes)
	}
	p.list = append(p.list, a)
	return nil
}

// quoted reads a quoted string.
func (p *mailboxParser) quoted() error {
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			p.rest = p.rest[i+1:]
			return nil
		}
	}
	return errors.New(`a " without its end`)
}

// space reads white space, line folds and comments.
func (p *mailboxParser) space() error {
	depth := 0
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case isBlank(c) || c == '\r' || c == '\n':
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			p.rest = p.rest[i:]
			return nil
		case c == '\\':
			i++
		}
	}
	if depth > 0 {
		return errors.New("a comment without its end")
	}
	p.rest = nil
	return nil
}
