package pop3

import (
	"bufio"
	"bytes"
)

// writeContent writes a message and the dot that ends it (RFC 1939 3). Dots at the start of lines are
// doubled. All else is written as it is, in as long pieces as there are, but that a message that does not end
// in a line end gets one, since else there is no line for the dot.
//
// A bare LF becomes CR LF. Mail that came over SMTP has none. POP3 has no way to send one, and clients
// that read up to the LF would take ".", CR, LF behind it for the end of the message, and what follows
// for replies.
func writeContent(w *bufio.Writer, content []byte) {
	if len(content) > 0 && content[0] == '.' {
		_ = w.WriteByte('.')
	}
	written, next := 0, 0 // next is behind the line end last seen
	for {
		n := bytes.IndexByte(content[next:], '\n')
		if n < 0 {
			break
		}
		lf := next + n
		next = lf + 1
		if lf == 0 || content[lf-1] != '\r' {
			_, _ = w.Write(content[written:lf])
			_, _ = w.WriteString("\r\n")
			written = next
		}
		if next < len(content) && content[next] == '.' {
			_, _ = w.Write(content[written:next])
			_ = w.WriteByte('.')
			written = next
		}
	}
	_, _ = w.Write(content[written:])
	if next < len(content) {
		_, _ = w.WriteString("\r\n")
	}
	_, _ = w.WriteString(replyListEnd)
}
