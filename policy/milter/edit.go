package milter

import (
	"bytes"
	"strings"

	wire "github.com/emersion/go-milter"

	"github.com/posthaste-mta/posthaste/message"
)

// headerChange is one field that a filter adds, inserts, changes or deletes.
type headerChange struct {
	code  wire.ModifyActCode
	index uint32
	name  string
	value string // all that comes behind the colon, with CRLF and white space at folds, without the last CRLF
	gone  bool   // the field is to be deleted
}

// appendValue appends what stands behind a field's colon as a filter wants it: LF at folds, no end of line, and
// the space behind the colon only where that was agreed on.
func appendValue(b []byte, f message.Field, content []byte, spaced bool) []byte {
	v := content[f.NameEnd:f.End]
	v = bytes.TrimRight(v[bytes.IndexByte(v, ':')+1:], "\r\n")
	if !spaced {
		v = bytes.TrimLeft(v, " \t")
	}
	for i, c := range v {
		switch {
		case c == '\r' && i+1 < len(v) && v[i+1] == '\n':
		case c == 0:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return b
}

// cleanValue makes a filter's value safe behind a colon: no line of it can be taken for another field or for the
// end of the header. Lines of white space alone are dropped, they count as such an end to some readers.
func cleanValue(value string, spaced bool) string {
	value = strings.ReplaceAll(value, "\r\n", "\n")
	value = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(value, "?"))
	var b strings.Builder
	for line := range strings.SplitSeq(value, "\n") {
		if strings.Trim(line, " \t") == "" {
			continue
		}
		switch {
		case b.Len() > 0:
			b.WriteString("\r\n")
			if line[0] != ' ' && line[0] != '\t' {
				b.WriteByte('\t')
			}
		case !spaced && line[0] != ' ':
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}

// isFieldName tells whether a filter's name can be a field's (RFC 5322 3.6.8).
func isFieldName(name string) bool {
	if name == "" || len(name) > 200 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return true
}

// slot is a field while the header is being changed. A deleted one keeps its place, since filters count on it: they
// delete the first, second and third of a name by these numbers.
type slot struct {
	name string
	text []byte // with its last CRLF; nil: deleted
}

// edited returns the content with the changes in the order in which the filter sent them.
func (a *answer) edited() []byte {
	var slots []slot
	for f := range message.Fields(a.content) {
		text := a.content[f.Start:f.End:f.End]
		if !bytes.HasSuffix(text, []byte("\n")) {
			text = append(text, "\r\n"...)
		}
		slots = append(slots, slot{string(f.Name(a.content)), text})
	}
	for _, h := range a.header {
		slots = h.apply(slots)
	}
	body := a.content[bodyStart(a.content):]
	if a.hasNewBody {
		body = cleanBody(a.newBody)
	}
	size := len("\r\n") + len(body)
	for _, s := range slots {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	for _, s := range slots {
		out = append(out, s.text...)
	}
	out = append(out, "\r\n"...)
	return append(out, body...)
}

// apply makes one change. The position of an insertion counts the Received field of our own as the first, which
// comes in front of what is here: 0 and 1 are both the top.
func (h headerChange) apply(slots []slot) []slot {
	text := []byte(h.name + ":" + h.value + "\r\n")
	switch h.code {
	case wire.ActInsertHeader:
		at := min(max(int64(h.index)-1, 0), int64(len(slots)))
		slots = append(slots, slot{})
		copy(slots[at+1:], slots[at:])
		slots[at] = slot{h.name, text}
		return slots
	case wire.ActChangeHeader:
		n := max(h.index, 1)
		for i := range slots {
			if !strings.EqualFold(slots[i].name, h.name) {
				continue
			}
			if n--; n > 0 {
				continue
			}
			if slots[i].text = text; h.gone {
				slots[i].text = nil
			}
			return slots
		}
		if h.gone {
			return slots
		}
	}
	return append(slots, slot{h.name, text})
}

// cleanBody gives a new body CRLF line ends and nothing that ends a line otherwise. Filters send either kind.
func cleanBody(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/32+2)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\r' && i+1 < len(b) && b[i+1] == '\n':
		case c == '\n', c == '\r':
			out = append(out, "\r\n"...)
		case c == 0:
			out = append(out, '?')
		default:
			out = append(out, c)
		}
	}
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, "\r\n"...)
	}
	return out
}
