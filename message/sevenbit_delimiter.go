package message

import "bytes"

// delimiter is a line that begins or ends a part of one of the multiparts around the place (RFC 2046 5.1.1), or the
// end of the content.
type delimiter struct {
	line    int  // where the line starts
	next    int  // where the line after it starts
	level   int  // whose it is, as an index of the open multiparts; -1 at the end of the content
	closing bool // no part follows
}

// next returns the first delimiter from the line at start on.
func (c *sevenBit) next(start int) delimiter {
	for len(c.open) > 0 {
		if d, ok := c.delimiterAt(start); ok {
			return d
		}
		i := bytes.Index(c.in[start:], lineDashes)
		if i < 0 {
			break
		}
		start += i + 1
	}
	return delimiter{line: len(c.in), next: len(c.in), level: -1}
}

// delimiterAt tells whether the line at start is a delimiter. Where several multiparts have the same boundary it is the
// outermost one's: what is inside ends with it, complete or not.
func (c *sevenBit) delimiterAt(start int) (delimiter, bool) {
	line, ok := bytes.CutPrefix(c.in[start:], lineDashes[1:])
	if !ok || len(c.open) == 0 {
		return delimiter{}, false
	}
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	d := delimiter{line: start, next: start + 2 + len(line)}
	line = bytes.TrimRight(line, " \t\r\n")
	for level, boundary := range c.open {
		if len(line) < len(boundary) || string(line[:len(boundary)]) != boundary {
			continue
		}
		switch string(line[len(boundary):]) {
		case "":
			d.level = level
			return d, true
		case "--":
			d.level, d.closing = level, true
			return d, true
		}
	}
	return delimiter{}, false
}

// bodyEnd returns where the body that starts at start ends: the line end in front of a delimiter is part of the
// delimiter.
func (c *sevenBit) bodyEnd(start int) int {
	end := c.stop.line
	if c.stop.level < 0 || end == start {
		return end
	}
	if end--; end > start && c.in[end-1] == '\r' {
		end--
	}
	return end
}

var lineDashes = []byte("\n--")
