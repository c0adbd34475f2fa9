package dkim

import (
	"github.com/posthaste-mta/posthaste/message"
)

// covered is what all signatures of one message share of its header.
type covered struct {
	list      []byte // the value of h=, unfolded
	canonical []byte // the fields that it lists, in relaxed form
}

// found is a field of the message that is to be signed.
type found struct {
	slot  int
	field message.Field
}

// coverHeader goes over the header and returns what is signed of it and where the body starts.
func (c *coverage) coverHeader(content []byte) (covered, int, error) {
	var space [48]found // enough for most messages
	fields := space[:0]
	counts := make([]int, len(c.names))
	end, size := 0, 0
	for f := range message.Fields(content) {
		end = f.End
		if slot := c.slotOf(f.Name(content)); slot >= 0 {
			fields = append(fields, found{slot, f})
			counts[slot]++
			size += f.End - f.Start
		}
	}
	body, err := bodyStart(content, end)
	if err != nil {
		return covered{}, 0, err
	}
	if counts[c.slot["from"]] != 1 {
		return covered{}, 0, ErrFrom
	}
	// Room for the signature field, which is put behind when its turn comes.
	out := covered{list: make([]byte, 0, 512), canonical: make([]byte, 0, size+1024)}
	for slot, name := range c.names {
		for range counts[slot] + c.extra(slot, counts[slot]) {
			out.list = append(append(out.list, name...), ':')
		}
		// Of several the last comes first (RFC 6376 5.4.2).
		for i := len(fields) - 1; i >= 0 && counts[slot] > 0; i-- {
			if fields[i].slot == slot {
				out.canonical = appendRelaxedField(out.canonical, name, content[fields[i].field.NameEnd:fields[i].field.End])
				counts[slot]--
			}
		}
	}
	out.list = out.list[:len(out.list)-1]
	return out, body, nil
}

// bodyStart returns where the body starts in a content whose fields end at end. A header that does
// not end with a blank line, or with the content, is cut differently by different readers; a
// signature over it would hold for some only.
func bodyStart(content []byte, end int) (int, error) {
	switch {
	case end > 0 && end == len(content):
		return end, nil
	case end > 0 && end+2 <= len(content) && content[end] == '\r' && content[end+1] == '\n':
		return end + 2, nil
	default:
		return 0, ErrBadHeader
	}
}

// appendRelaxedField appends a field in relaxed form (RFC 6376 3.4.2): the name in lower case, the
// value, which is given from behind the name on with its colon, on one line, runs of white space
// as one space, none at either end; then CRLF.
func appendRelaxedField[T string | []byte](dst []byte, lowerName T, value []byte) []byte {
	dst = append(dst, lowerName...)
	dst = append(dst, ':')
	for len(value) > 0 && value[0] != ':' { // blanks before the colon, in old mail
		value = value[1:]
	}
	if len(value) > 0 {
		value = value[1:]
	}
	gap := false // white space to be written before what follows
	for start, i := 0, 0; i <= len(value); i++ {
		if i < len(value) && !isSpace(value[i]) {
			continue
		}
		if i > start {
			if gap {
				dst = append(dst, ' ')
			}
			dst = append(dst, value[start:i]...)
			gap = true
		}
		start = i + 1
	}
	return append(dst, '\r', '\n')
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }
