package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxConfigFile bounds what is read: a configuration is text written by people.
const maxConfigFile = 4 << 20

// ConfigError is one thing wrong with a configuration.
type ConfigError struct {
	File    string
	Line    int    // 0 when no line of the file says it
	Key     string // "" for a file that is not TOML
	Problem string
}

// Error returns "file:line: key: problem", which editors and people can follow.
func (e ConfigError) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Problem
}

// ConfigErrors is everything wrong with a configuration, in order of lines.
type ConfigErrors []ConfigError

// Error returns one line for each.
func (e ConfigErrors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Positions tells which line of the file set a key.
type Positions struct {
	File  string
	lines map[string]int
}

// Where returns "file:line" for a key such as "listener[0].address", or "default".
func (p *Positions) Where(key string) string {
	if line := p.lines[key]; line > 0 {
		return p.File + ":" + strconv.Itoa(line)
	}
	return "default"
}

// nearest returns the line of a key, or else of the table it belongs in; 0 if the file has neither.
func (p *Positions) nearest(key string) int {
	for {
		if line := p.lines[key]; line > 0 {
			return line
		}
		dot := strings.LastIndexByte(key, '.')
		if dot < 0 {
			return 0
		}
		key = key[:dot]
	}
}

// LoadConfig reads, completes and checks a configuration file. Nothing of it is used unless all of
// it is right: the error is then a ConfigErrors, or that of reading the file.
func LoadConfig(path string) (*Config, *Positions, error) {
	text, err := readConfigFile(path)
	if err != nil {
		return nil, nil, err
	}
	return ParseConfig(path, text)
}

func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(&limitedFile{f, maxConfigFile}); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return text.Bytes(), nil
}

// limitedFile fails where io.LimitReader would cut a file short in silence.
type limitedFile struct {
	f    *os.File
	left int
}

func (l *limitedFile) Read(p []byte) (int, error) {
	n, err := l.f.Read(p)
	if l.left -= n; l.left < 0 {
		return 0, errors.New("longer than any configuration (4 MiB)")
	}
	return n, err
}

// ParseConfig is LoadConfig on text; file is its name in errors.
func ParseConfig(file string, text []byte) (*Config, *Positions, error) {
	cfg := DefaultConfig()
	pos, err := decodeText(file, text, cfg)
	if err != nil {
		return nil, nil, err
	}
	cfg.complete()
	if errs := checkConfig(cfg, pos); len(errs) > 0 {
		return nil, nil, errs
	}
	return cfg, pos, nil
}

// decodeText decodes text into a pointer to a struct whose keys are named by toml tags. What is wrong in its form is all
// told, by line.
func decodeText(file string, text []byte, into any) (*Positions, error) {
	var any map[string]any // the decoder's own view: is it TOML, is no key there twice
	if err := toml.Unmarshal(text, &any); err != nil {
		return nil, decodeErrors(file, err)
	}
	nodes, err := readDocument(text)
	if err != nil {
		return nil, decodeErrors(file, err)
	}
	pos := &Positions{File: file, lines: map[string]int{}}
	for _, n := range nodes {
		pos.lines[n.key()] = n.line
	}
	if errs := checkNodes(reflect.TypeOf(into).Elem(), file, nodes); len(errs) > 0 {
		return nil, errs
	}
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, decodeErrors(file, err)
	}
	return pos, nil
}

// checkNodes finds unknown keys and values of the wrong form, all in one pass.
func checkNodes(root reflect.Type, file string, nodes []node) (errs ConfigErrors) {
	reported := map[string]bool{} // an unknown table is one error, not one for each key in it
	for _, n := range nodes {
		t, known := field(root, n.parts)
		if known < len(n.parts) {
			key := keyString(n.parts[:known+1])
			if !reported[key] {
				reported[key] = true
				problem := "unknown key; the nearest known one is " + nearestKey(root, n.parts, known)
				if nearestKey(root, n.parts, known) == "" {
					problem = "unknown key"
				}
				errs = append(errs, ConfigError{file, n.line, key, problem})
			}
			continue
		}
		if problem := checkType(t, n); problem != "" {
			errs = append(errs, ConfigError{file, n.line, n.key(), problem})
		}
	}
	return errs
}

// decodeErrors gives an error of the TOML decoder the form of ours.
func decodeErrors(file string, err error) error {
	var missing *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &missing):
		errs := make(ConfigErrors, len(missing.Errors))
		for i := range missing.Errors {
			errs[i] = decodeError(file, &missing.Errors[i])
		}
		return errs
	case errors.As(err, &decode):
		return ConfigErrors{decodeError(file, decode)}
	default:
		return ConfigErrors{{File: file, Problem: err.Error()}}
	}
}

func decodeError(file string, err *toml.DecodeError) ConfigError {
	line, _ := err.Position()
	return ConfigError{file, line, strings.Join(err.Key(), "."), strings.TrimPrefix(err.Error(), "toml: ")}
}

// sorted returns the errors by line; those without one come last.
func (e ConfigErrors) sorted() ConfigErrors {
	slices.SortStableFunc(e, func(a, b ConfigError) int {
		switch {
		case a.Line == b.Line:
			return 0
		case a.Line == 0 || b.Line != 0 && a.Line > b.Line:
			return 1
		default:
			return -1
		}
	})
	return e
}
