package suppress

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonEntry is an entry as JSON.
type jsonEntry struct {
	Tenant *string `json:"tenant"`
	Target string  `json:"target"`
	Reason string  `json:"reason,omitempty"`
	Event  string  `json:"event,omitempty"`
	Remote string  `json:"remote,omitempty"`
	Since  string  `json:"since,omitempty"`
	Until  string  `json:"until,omitempty"`
}

// jsonLines reads JSON Lines.
type jsonLines struct {
	r      *bufio.Reader // with room for the longest line
	tenant string
	line   int
}

func (j *jsonLines) next() (Entry, int, error) {
	for {
		j.line++
		text, err := j.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return Entry{}, j.line, fmt.Errorf("longer than %d bytes", maxLine)
		}
		if err != nil && (err != io.EOF || len(text) == 0) {
			return Entry{}, j.line, err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			e, err := j.entry(text)
			return e, j.line, err
		}
	}
}

func (j *jsonLines) entry(text []byte) (Entry, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var in jsonEntry
	err := d.Decode(&in)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if t.Field == "" {
			return Entry{}, lineError{errors.New("not a JSON object")}
		}
		return Entry{}, lineError{&FieldError{t.Field, errors.New("not a string")}}
	}
	if err != nil {
		return Entry{}, lineError{err}
	}
	if _, err := d.Token(); err != io.EOF {
		return Entry{}, lineError{errors.New("more than one JSON value")}
	}
	e := Entry{Tenant: j.tenant}
	if in.Tenant != nil {
		e.Tenant = *in.Tenant
	}
	values := []string{e.Tenant, in.Target, in.Reason, in.Event, in.Remote, in.Since, in.Until}
	for i, field := range fieldNames() {
		if err := e.set(field, values[i]); err != nil {
			return e, lineError{err}
		}
	}
	return e, nil
}
