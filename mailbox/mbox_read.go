package mailbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// ReadMbox reads an mbox, one message at a time. One that WriteMbox has written comes back as it was; of others, lines
// are ended with CRLF, flags are taken from Status and X-Status, which stay in the header, and the folder is "". A message
// of more than limit bytes (0: what a store takes at most) ends it with ErrLimit. The last pair has the error, if
// there is one.
func ReadMbox(r io.Reader, limit int64) iter.Seq2[Item, error] {
	if limit <= 0 || limit > maxContent {
		limit = maxContent
	}
	return func(yield func(Item, error) bool) {
		in := mboxReader{in: bufio.NewReaderSize(r, 64<<10), limit: limit}
		for {
			item, err := in.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Item{}, fmt.Errorf("mailbox: reading an mbox, message %d: %w", in.count+1, err))
				return
			}
			in.count++
			if !yield(item, nil) {
				return
			}
		}
	}
}

type mboxReader struct {
	in    *bufio.Reader
	limit int64
	count int
	from  string // the line that began the message to come; "" at the start
	begun bool
}

// next reads a message; io.EOF behind the last.
func (r *mboxReader) next() (Item, error) {
	if !r.begun {
		r.begun = true
		if err := r.start(); err != nil {
			return Item{}, err
		}
	}
	if r.from == "" {
		return Item{}, io.EOF
	}
	item := Item{Received: mboxDate(r.from)}
	raw, err := r.body()
	if err != nil {
		return Item{}, err
	}
	if !item.own(raw) {
		item.Content = toCRLF(raw)
		item.Flags = mboxFlags(item.Content)
	}
	return item, nil
}

// start looks for the first message.
func (r *mboxReader) start() error {
	for {
		line, err := r.line(maxFromLine)
		if err != nil {
			return err
		}
		switch text := strings.TrimRight(string(line), "\r\n"); {
		case strings.HasPrefix(text, "From "):
			r.from = text
			return nil
		case text != "":
			return errors.New("it does not begin with a line \"From \"")
		}
	}
}

const (
	maxFromLine = 4096
	maxOwnLines = 64 << 10 // bytes
)

// body reads to the next message: lines as they are, without quotes and the empty line at the end.
func (r *mboxReader) body() ([]byte, error) {
	var body []byte
	empty := 0 // bytes of the last line, if it is empty
	r.from = ""
	for {
		line, err := r.line(r.limit - int64(len(body)) + maxOwnLines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if empty > 0 && bytes.HasPrefix(line, []byte("From ")) {
			r.from = strings.TrimRight(string(line), "\r\n")
			break
		}
		if empty = 0; string(line) == "\n" || string(line) == "\r\n" {
			empty = len(line)
		}
		if line[0] == '>' && isFromLine(line) {
			line = line[1:]
		}
		body = append(body, line...)
	}
	return body[:len(body)-empty], nil
}

// line reads a line with its end, which the last may lack. ErrLimit if it has more than limit bytes.
func (r *mboxReader) line(limit int64) ([]byte, error) {
	var long []byte
	for {
		piece, err := r.in.ReadSlice('\n')
		if int64(len(long)+len(piece)) > limit {
			return nil, ErrLimit
		}
		if long == nil && err == nil {
			return piece, nil
		}
		long = append(long, piece...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(long) > 0:
			return long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// mboxDate reads the date at the end of a line that begins a message; zero if there is none.
func mboxDate(line string) time.Time {
	fields := strings.Fields(line)
	for n := 5; n <= 6 && n < len(fields); n++ {
		text := strings.Join(fields[len(fields)-n:], " ")
		for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 MST 2006"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

// own takes the lines off that WriteMbox has put before the header; false if they are not there.
func (item *Item) own(raw []byte) bool {
	var values [5]string
	rest := raw
	for i, name := range []string{mboxStatus, mboxXStatus, mboxKeywords, mboxFolder, mboxLines} {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		value, is := strings.CutPrefix(string(line), name)
		if !ok || !is {
			return false
		}
		values[i], rest = value, after
	}
	switch values[4] {
	case linesCRLF:
		rest = toCRLF(rest)
	case linesNoEnd:
		rest = bytes.TrimSuffix(rest, []byte("\n"))
	case linesAsIs:
	default:
		return false
	}
	item.Flags = statusFlags(values[0], values[1])
	item.Flags.Keywords = splitKeywords(values[2])
	item.Folder, item.Content = values[3], bytes.Clone(rest)
	return true
}

func statusFlags(status, xstatus string) (f Flags) {
	if strings.Contains(status, "R") {
		f.System |= Seen
	}
	for _, l := range mboxLetters {
		if strings.IndexByte(xstatus, l.letter) >= 0 {
			f.System |= l.flag
		}
	}
	return f
}

// mboxFlags reads the flags that another program has put into the header.
func mboxFlags(content []byte) Flags {
	header := content[:headerEnd(content)]
	status, _ := message.FindField(header, strings.TrimSuffix(mboxStatus, ": "))
	xstatus, _ := message.FindField(header, strings.TrimSuffix(mboxXStatus, ": "))
	return statusFlags(string(status), string(xstatus))
}
