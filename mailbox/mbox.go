package mailbox

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// In an mbox, messages stand one behind the other, each behind a line "From sender date" and before an empty line. Lines of a
// message that look so get one ">" more (the variant mboxrd, which can be undone). What mbox has no place for stands in lines
// before the header, which are taken off again: always all of them, so that fields of the message itself are not mistaken.

const (
	mboxStatus   = "Status: "
	mboxXStatus  = "X-Status: "
	mboxKeywords = "X-Keywords: "
	mboxFolder   = "X-Folder: "
	mboxLines    = "X-Lines: "

	linesCRLF  = "crlf"               // all lines ended with CRLF
	linesAsIs  = "as is"              // bytes as they were
	linesNoEnd = "as is, without end" // and the last line had no end
)

// mboxLetters are the letters of X-Status, and R of Status.
var mboxLetters = [...]struct {
	letter byte
	flag   System
}{{'A', Answered}, {'F', Flagged}, {'D', Deleted}, {'T', Draft}}

// WriteMbox writes messages as an mbox and returns how many. Several folders may follow each other in one; Item.Folder
// stays with each message. Dates lose what is below a second.
func WriteMbox(w io.Writer, items iter.Seq2[Item, error]) (n int, err error) {
	out := bufio.NewWriter(w)
	for item, err := range items {
		if err != nil {
			return n, err
		}
		if err := writeMboxItem(out, &item); err != nil {
			return n, fmt.Errorf("mailbox: writing an mbox: %w", err)
		}
		n++
	}
	if err := out.Flush(); err != nil {
		return n, fmt.Errorf("mailbox: writing an mbox: %w", err)
	}
	return n, nil
}

func writeMboxItem(w *bufio.Writer, item *Item) error {
	lines, content := linesAsIs, item.Content
	switch {
	case onlyCRLF(content):
		lines, content = linesCRLF, toLF(content)
	case !bytes.HasSuffix(content, []byte("\n")):
		lines = linesNoEnd
	}
	received := item.Received
	if received.IsZero() {
		received = time.Unix(0, 0)
	}
	status, xstatus := "O", ""
	if item.Flags.System&Seen != 0 {
		status = "RO"
	}
	for _, l := range mboxLetters {
		if item.Flags.System&l.flag != 0 {
			xstatus += string(l.letter)
		}
	}
	// The writer keeps the first error, and Flush tells it.
	fmt.Fprintf(w, "From %s %s\n", mboxSender(item.Content), received.UTC().Format(time.ANSIC))
	fmt.Fprintf(w, "%s%s\n%s%s\n", mboxStatus, status, mboxXStatus, xstatus)
	fmt.Fprintf(w, "%s%s\n", mboxKeywords, joinKeywords(item.Flags.Keywords))
	fmt.Fprintf(w, "%s%s\n%s%s\n", mboxFolder, item.Folder, mboxLines, lines)
	for len(content) > 0 {
		line := content
		if n := bytes.IndexByte(content, '\n'); n >= 0 {
			line = content[:n+1]
		}
		if isFromLine(line) {
			_ = w.WriteByte('>')
		}
		_, _ = w.Write(line)
		content = content[len(line):]
	}
	if lines == linesNoEnd {
		_ = w.WriteByte('\n')
	}
	return w.WriteByte('\n')
}

// isFromLine tells whether a line is "From " behind any number of ">".
func isFromLine(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
}

func mboxSender(content []byte) string {
	v, _ := message.FindField(content[:headerEnd(content)], "Return-Path")
	sender := strings.Trim(string(v), "<>")
	if sender == "" || len(sender) > 320 || strings.ContainsFunc(sender, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "MAILER-DAEMON"
	}
	return sender
}

// joinKeywords writes keywords in one line.
func joinKeywords(keywords []string) string {
	var b strings.Builder
	for i, k := range keywords {
		if i > 0 {
			b.WriteByte(' ')
		}
		for _, c := range []byte(k) {
			if c <= ' ' || c >= 0x7f || c == '%' {
				fmt.Fprintf(&b, "%%%02x", c)
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

func splitKeywords(line string) []string {
	var keywords []string
	for _, k := range strings.Fields(line) {
		keywords = append(keywords, unescape(k))
	}
	return keywords
}

// unescape undoes %xx.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
