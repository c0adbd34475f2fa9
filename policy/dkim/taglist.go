package dkim

import (
	"errors"
	"fmt"
	"strings"
)

var errTagList = errors.New("dkim: bad tag list")

// tag is one "name=value" of a tag list.
type tag struct{ name, value string }

// parseTags reads a tag list (RFC 6376 3.2). White space around names and values is cut off; what
// is within a value stays. A tag twice makes the whole list invalid.
func parseTags(s string) ([]tag, error) {
	var tags []tag
	for part := range strings.SplitSeq(s, ";") {
		part = strings.Trim(part, " \t\r\n")
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimRight(name, " \t\r\n")
		if !ok || !isTagName(name) {
			return nil, fmt.Errorf("%w: %.40q is no tag", errTagList, part)
		}
		for _, t := range tags {
			if t.name == name {
				return nil, fmt.Errorf("%w: %s is there twice", errTagList, name)
			}
		}
		tags = append(tags, tag{name, strings.TrimLeft(value, " \t\r\n")})
	}
	return tags, nil
}

func isTagName[T string | []byte](s T) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return len(s) > 0
}
