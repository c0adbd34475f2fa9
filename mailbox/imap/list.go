package imap

import (
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// List implements imapserver.Session: LIST with its extensions (RFC 9051 6.3.9), and LSUB.
func (s *session) List(w *imapserver.ListWriter, reference string, patterns []string, options *goimap.ListOptions) error {
	if len(patterns) == 0 { // the client asks for the separator
		return w.WriteList(&goimap.ListData{Attrs: []goimap.MailboxAttr{goimap.MailboxAttrNoSelect}, Delim: mailbox.Separator})
	}
	size := 0
	for _, p := range patterns {
		size += len(reference) + len(p)
	}
	if len(patterns) > maxPatterns || size > maxPatternSize {
		return no(goimap.ResponseCodeLimit, "Too many patterns, or too long")
	}
	infos, err := s.store.Folders(s.ctx(), s.account)
	if err != nil {
		return s.refused(err, goimap.ResponseCodeNonExistent)
	}
	l := lister{folders: infos, options: options, lsub: s.request.name == "LSUB"}
	for _, p := range patterns {
		l.patterns = append(l.patterns, compilePattern(reference, p))
	}
	for _, data := range l.list() {
		if options.ReturnStatus != nil && !slices.Contains(data.Attrs, goimap.MailboxAttrNonExistent) {
			if info, err := s.store.Status(s.ctx(), s.account, data.Mailbox); err == nil { // else it went meanwhile
				data.Status = s.statusOf(info)
			}
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}

// maxPatterns and maxPatternSize bound the patterns of a LIST, and their octets: each is tried on each folder.
const (
	maxPatterns    = 50
	maxPatternSize = 2000
)

// lister answers one LIST or LSUB.
type lister struct {
	folders  []mailbox.Info
	patterns []pattern
	options  *goimap.ListOptions
	lsub     bool
}

func (l *lister) list() []*goimap.ListData {
	var out []*goimap.ListData
	parents := make(map[string]bool) // LSUB: those that were shown for the sake of what is below
	for _, info := range l.folders {
		if l.matches(info.Name) {
			if data := l.entry(info); data != nil {
				out = append(out, data)
			}
			continue
		}
		if !l.lsub || !info.Subscribed {
			continue
		}
		// RFC 3501 6.3.9: with %, a name above a subscribed one is shown, though not subscribed itself.
		for name := above(info.Name); name != ""; name = above(name) {
			if l.matches(name) && !parents[name] && !l.subscribed(name) {
				parents[name] = true
				out = append(out, &goimap.ListData{Mailbox: name, Delim: mailbox.Separator,
					Attrs: []goimap.MailboxAttr{goimap.MailboxAttrNoSelect}})
			}
		}
	}
	return out
}

func (l *lister) matches(name string) bool {
	for i := range l.patterns {
		if l.patterns[i].matches(name) {
			return true
		}
	}
	return false
}

func (l *lister) subscribed(name string) bool {
	for _, info := range l.folders {
		if info.Name == name {
			return info.Subscribed
		}
	}
	return false
}

func above(name string) string {
	return name[:max(0, strings.LastIndexByte(name, mailbox.Separator))]
}

// below tells whether a folder has folders below it: any that exist, and any that are subscribed and not listed
// themselves (RFC 5258 3.5).
func (l *lister) below(name string) (exist, subscribed bool) {
	prefix := name + string(mailbox.Separator)
	for _, info := range l.folders {
		if strings.HasPrefix(info.Name, prefix) {
			exist = exist || !info.Missing
			subscribed = subscribed || info.Subscribed && !l.matches(info.Name)
		}
	}
	return exist, subscribed
}

// entry is what is told of a folder, nil if it is not selected.
func (l *lister) entry(info mailbox.Info) *goimap.ListData {
	o := l.options
	children, subscribedBelow := l.below(info.Name)
	data := &goimap.ListData{Mailbox: info.Name, Delim: mailbox.Separator}
	switch {
	case o.SelectSubscribed && !info.Subscribed && !(o.SelectRecursiveMatch && subscribedBelow):
		return nil
	case o.SelectSpecialUse && info.Use <= mailbox.Inbox:
		return nil
	case info.Missing && !children && !o.SelectSubscribed:
		return nil
	}
	if l.lsub {
		if info.Missing {
			data.Attrs = append(data.Attrs, goimap.MailboxAttrNoSelect)
		}
		return data
	}
	if info.Missing {
		data.Attrs = append(data.Attrs, goimap.MailboxAttrNonExistent)
		if !o.SelectSubscribed { // who selects so knows what the first means
			data.Attrs = append(data.Attrs, goimap.MailboxAttrNoSelect)
		}
	}
	if children {
		data.Attrs = append(data.Attrs, goimap.MailboxAttrHasChildren)
	} else {
		data.Attrs = append(data.Attrs, goimap.MailboxAttrHasNoChildren)
	}
	if info.Subscribed && (o.SelectSubscribed || o.ReturnSubscribed) {
		data.Attrs = append(data.Attrs, goimap.MailboxAttrSubscribed)
	}
	for _, u := range specialUses {
		if u.use == info.Use {
			data.Attrs = append(data.Attrs, u.attr)
		}
	}
	if o.SelectRecursiveMatch && subscribedBelow {
		data.ChildInfo = &goimap.ListDataChildInfo{Subscribed: true}
	}
	return data
}

// pattern is a LIST pattern. The library's matching takes exponential time.
type pattern string

// compilePattern puts the reference before a pattern, unless that begins with the separator. A name that
// begins with INBOX does so in capitals, and so must the pattern.
func compilePattern(reference, p string) pattern {
	sep := string(mailbox.Separator)
	if rest, ok := strings.CutPrefix(p, sep); ok {
		p = rest
	} else {
		p = reference + p
	}
	first, rest, more := strings.Cut(p, sep)
	if strings.EqualFold(first, "INBOX") {
		p = "INBOX"
		if more {
			p += sep + rest
		}
	}
	if more && rest == "" { // a separator at the end asks for the folder itself
		p = strings.TrimSuffix(p, sep)
	}
	return pattern(p)
}

// matches takes time in proportion to the product of both lengths.
func (p pattern) matches(name string) bool {
	// possible[j] tells whether the pattern so far matches name[:j].
	possible := make([]bool, len(name)+1)
	possible[0] = true
	for i := 0; i < len(p); i++ {
		switch c := p[i]; c {
		case '*', '%':
			for j := 0; j < len(name); j++ {
				if possible[j] && (c == '*' || name[j] != mailbox.Separator) {
					possible[j+1] = true
				}
			}
		default:
			for j := len(name); j > 0; j-- {
				possible[j] = possible[j-1] && name[j-1] == c
			}
			possible[0] = false
		}
	}
	return possible[len(name)]
}
