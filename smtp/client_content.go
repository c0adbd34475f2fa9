package smtp

import "bytes"

// writeStuffed queues content as DATA sends it: each line that begins with a dot gets another
// (RFC 5321 4.5.2), and the end of the data is added. Only the dots at line starts are searched
// for; what lies between them is never looked at byte by byte.
func (w *clientWriter) writeStuffed(content []byte) {
	rest := content
	if len(rest) > 0 && rest[0] == '.' {
		w.text(".")
	}
	for {
		i := bytes.Index(rest, clientLineDot)
		if i < 0 {
			break
		}
		w.bulk(rest[:i+1])
		w.text(".")
		rest = rest[i+1:]
	}
	w.bulk(rest)
	if clientEndsLine(content) {
		w.text(".\r\n")
	} else {
		w.text("\r\n.\r\n")
	}
}

// writePlain queues content as BDAT sends it (RFC 3030): as it is, with its last line ended.
func (w *clientWriter) writePlain(content []byte) {
	w.bulk(content)
	if !clientEndsLine(content) {
		w.text("\r\n")
	}
}

// clientWireSize is how many bytes content has for SIZE and BDAT (RFC 1870 counts no stuffing).
func clientWireSize(content []byte) int64 {
	n := int64(len(content))
	if !clientEndsLine(content) {
		n += 2
	}
	return n
}

// clientEndsLine tells whether a dot may follow content directly: it ends in CRLF, or is empty and
// follows the line end of DATA.
func clientEndsLine(content []byte) bool {
	return len(content) == 0 || bytes.HasSuffix(content, clientCRLF)
}

var (
	clientLineDot = []byte("\n.")
	clientCRLF    = []byte("\r\n")
)
