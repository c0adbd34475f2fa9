package suppress

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
)

// Export writes the entries that the filter lets through; Import takes them back as they are. It
// returns how many it wrote.
func (l *List) Export(w io.Writer, format Format, f Filter) (int64, error) {
	b := bufio.NewWriter(w)
	var write func(e *Entry) error
	var flush func() error
	switch format {
	case CSV:
		c := csv.NewWriter(b)
		if err := c.Write(fieldNames()); err != nil {
			return 0, err
		}
		record := make([]string, len(fieldNames()))
		write = func(e *Entry) error {
			for i, name := range fieldNames() {
				record[i] = e.get(name)
			}
			return c.Write(record)
		}
		flush = func() error {
			c.Flush()
			return c.Error()
		}
	case JSONLines:
		j := json.NewEncoder(b)
		j.SetEscapeHTML(false)
		write = func(e *Entry) error {
			return j.Encode(jsonEntry{Tenant: &e.Tenant, Target: e.Target, Reason: e.Reason, Event: e.Evidence.Event,
				Remote: e.Evidence.Remote, Since: formatTime(e.Since), Until: formatTime(e.Until)})
		}
		flush = b.Flush
	default:
		return 0, fmt.Errorf("suppress: no such format: %q", string(format))
	}
	n := int64(0)
	for e, err := range l.Entries(f) {
		if err != nil {
			return n, err
		}
		if err := write(&e); err != nil {
			return n, fmt.Errorf("suppress: export: %w", err)
		}
		n++
	}
	if err := flush(); err != nil {
		return n, fmt.Errorf("suppress: export: %w", err)
	}
	return n, b.Flush()
}
