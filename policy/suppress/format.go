package suppress

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// Format is a form of file.
type Format string

// The formats. Both have the fields tenant, target, reason, event, remote, since, until; only target
// must be there. Times are as in RFC 3339, or a day such as 2026-03-31.
const (
	// CSV is RFC 4180 with a first line that names the columns, in any order; or a plain list with
	// one address or domain a line.
	CSV Format = "csv"
	// JSONLines has one JSON object a line.
	JSONLines Format = "jsonl"
)

// maxLine bounds a line of an imported file, or a record of several lines, in bytes.
const maxLine = 64 << 10

// lines reads the entries of a file one by one.
type lines interface {
	// next returns an entry that is not yet checked and the line that it begins at. The error is
	// io.EOF at the end; a lineError is about this line alone.
	next() (e Entry, line int, err error)
}

// lineError is what is wrong with one line while the next can still be read.
type lineError struct{ err error }

func (e lineError) Error() string { return e.err.Error() }
func (e lineError) Unwrap() error { return e.err }

// newLines reads r; tenant is the tenant of lines that do not name one.
func newLines(r io.Reader, f Format, tenant string) (lines, error) {
	b := bufio.NewReaderSize(r, maxLine)
	if start, _ := b.Peek(3); string(start) == "\xef\xbb\xbf" {
		_, _ = b.Discard(3) // a byte order mark, as spreadsheets write it
	}
	switch f {
	case CSV:
		return newCSVLines(b, tenant), nil
	case JSONLines:
		return &jsonLines{r: b, tenant: tenant}, nil
	default:
		return nil, fmt.Errorf("suppress: no such format: %q", string(f))
	}
}

// fieldNames are the names of the fields in files, in the order that they are written in.
func fieldNames() []string {
	return []string{"tenant", "target", "reason", "event", "remote", "since", "until"}
}

// set puts a field of a file into the entry.
func (e *Entry) set(field, value string) (err error) {
	switch field {
	case "tenant":
		e.Tenant = value
	case "target":
		e.Target = value
	case "reason":
		e.Reason = value
	case "event":
		e.Evidence.Event = value
	case "remote":
		e.Evidence.Remote = value
	case "since":
		e.Since, err = parseTime(value)
	case "until":
		e.Until, err = parseTime(value)
	default:
		err = errors.New("no such field")
	}
	if err != nil {
		return &FieldError{field, err}
	}
	return nil
}

// get is the reverse of set.
func (e *Entry) get(field string) string {
	switch field {
	case "tenant":
		return e.Tenant
	case "target":
		return e.Target
	case "reason":
		return e.Reason
	case "event":
		return e.Evidence.Event
	case "remote":
		return e.Evidence.Remote
	case "since":
		return formatTime(e.Since)
	case "until":
		return formatTime(e.Until)
	default:
		return ""
	}
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%.40q is not a time such as 2026-03-31T23:59:00Z or a day such as 2026-03-31", s)
	}
	return t, nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
