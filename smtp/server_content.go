package smtp

import "bytes"

// checkContent counts the lines of content that came without dots, by BDAT, and finds its faults
// as far as lines show them; what is left is judged together with content from DATA.
func checkContent(content []byte, maxLine int) (lines int, fault contentFault) {
	for len(content) > 0 {
		n := bytes.IndexByte(content, '\n')
		if n < 0 {
			n = len(content) - 1 // BDAT sees to it that this does not happen
		}
		if n == 0 || content[n-1] != '\r' {
			fault |= faultBare
		} else {
			lines++
		}
		if n-1 > maxLine {
			fault |= faultLongLine
		}
		content = content[n+1:]
	}
	return lines, fault
}

// normalSize is the length of what appendNormal appends.
func normalSize(content []byte) int {
	size := len(content)
	for i := 0; i < len(content); {
		end, next := lineBreak(content, i)
		if next > end {
			size += 2 - (next - end)
		}
		i = next
	}
	return size
}

// appendNormal appends content with every bare LF, also one behind several CRs, as CR LF, and a
// space for each other bare CR and each NUL. A space cannot make a header field or a line of dots
// out of text, as a line end could.
func appendNormal(b, content []byte) []byte {
	for i := 0; i < len(content); {
		end, next := lineBreak(content, i)
		start := len(b)
		b = append(b, content[i:end]...)
		for j := start; j < len(b); j++ {
			if b[j] == '\r' || b[j] == 0 {
				b[j] = ' '
			}
		}
		if next > end {
			b = append(b, '\r', '\n')
		}
		i = next
	}
	return b
}

// lineBreak returns where the line that begins at i ends and where the next begins. The two are
// the same if the content ends without a line break.
func lineBreak(content []byte, i int) (end, next int) {
	n := bytes.IndexByte(content[i:], '\n')
	if n < 0 {
		return len(content), len(content)
	}
	end, next = i+n, i+n+1
	for end > i && content[end-1] == '\r' {
		end--
	}
	return end, next
}
