package suppress

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// csvLines reads CSV.
type csvLines struct {
	bound   *boundReader
	r       *csv.Reader
	tenant  string
	columns []string // nil before the first line
	plain   []string // a first line that is no heading: an entry still to be returned
	line    int      // of the first line
	last    int      // where the newest record begins
}

func newCSVLines(r io.Reader, tenant string) *csvLines {
	bound := &boundReader{r: r}
	c := csv.NewReader(bound)
	c.FieldsPerRecord = -1 // told by us, with the line
	c.ReuseRecord = true
	return &csvLines{bound: bound, r: c, tenant: tenant}
}

func (c *csvLines) next() (Entry, int, error) {
	if c.columns == nil {
		if err := c.heading(); err != nil {
			return Entry{}, c.line, err
		}
	}
	if c.plain != nil {
		e := Entry{Tenant: c.tenant, Target: c.plain[0]}
		c.plain = nil
		return e, c.line, nil
	}
	record, line, err := c.read()
	if err != nil {
		return Entry{}, line, err
	}
	e := Entry{Tenant: c.tenant}
	if len(record) != len(c.columns) {
		return e, line, lineError{fmt.Errorf("fields: %d, in the first line: %d", len(record), len(c.columns))}
	}
	for i, value := range record {
		if err := e.set(c.columns[i], strings.TrimSpace(value)); err != nil {
			return e, line, lineError{err}
		}
	}
	return e, line, nil
}

func (c *csvLines) read() ([]string, int, error) {
	c.bound.left = 2 * maxLine // what the reader has not used yet may be in it too
	record, err := c.r.Read()
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return nil, e.StartLine, fmt.Errorf("column %d: %w", e.Column, e.Err) // the lines behind mean nothing
	}
	if err != nil {
		return nil, c.last + 1, err
	}
	c.last, _ = c.r.FieldPos(0)
	return record, c.last, nil
}

// heading reads the first line. It names the columns, or is the first of a plain list.
func (c *csvLines) heading() error {
	record, line, err := c.read()
	c.line = line
	if err != nil {
		return err
	}
	columns := make([]string, len(record))
	for i, name := range record {
		columns[i] = columnName(name)
	}
	if !slices.Contains(columns, "target") {
		if len(record) != 1 {
			return &FieldError{"target", fmt.Errorf("no such column; the first line must name the columns, of %s", strings.Join(fieldNames(), ", "))}
		}
		c.plain, c.columns = slices.Clone(record), []string{"target"}
		return nil
	}
	for i, name := range columns {
		switch {
		case !slices.Contains(fieldNames(), name):
			return &FieldError{fmt.Sprintf("%.40q", record[i]), fmt.Errorf("no such column; there are %s", strings.Join(fieldNames(), ", "))}
		case slices.Contains(columns[:i], name):
			return &FieldError{name, errors.New("a column that is there twice")}
		}
	}
	c.columns = columns
	return nil
}

// columnName returns the field that a heading means. Lists of other mailers say it in other words.
func columnName(heading string) string {
	name := strings.ToLower(strings.TrimSpace(heading))
	switch name {
	case "address", "email", "recipient", "domain":
		return "target"
	default:
		return name
	}
}

var errTooLong = fmt.Errorf("longer than %d bytes, or a quote that is not closed", maxLine)

// boundReader fails when a record takes more bytes than a line may have, as one does whose quote is
// never closed.
type boundReader struct {
	r    io.Reader
	left int
}

func (b *boundReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
