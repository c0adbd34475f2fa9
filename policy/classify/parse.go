package classify

import (
	"fmt"
	"strconv"
	"strings"
)

// File is a file of rules. Name is what errors and Rule.Place call it.
type File struct {
	Name, Text string
}

// parse reads a file. The error names its line.
func (f *File) parse() (rules []*Rule, err error) {
	n := 0
	fail := func(line int, why error) error { return fmt.Errorf("%s:%d: %w", f.Name, line, why) }
	for line := range strings.Lines(f.Text) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '>':
			if len(rules) == 0 {
				return nil, fail(n, fmt.Errorf("an example without a rule above it"))
			}
			s, err := ParseReply(strings.ReplaceAll(strings.TrimSpace(line[1:]), `\n`, "\n"))
			if err != nil {
				return nil, fail(n, err)
			}
			last := rules[len(rules)-1]
			last.examples = append(last.examples, example{n, s})
		default:
			if err := f.complete(rules); err != nil {
				return nil, err
			}
			r, err := parseRule(line)
			if err != nil {
				return nil, fail(n, err)
			}
			r.File, r.Line = f.Name, n
			rules = append(rules, r)
		}
	}
	return rules, f.complete(rules)
}

// complete tells whether the last rule has an example.
func (f *File) complete(rules []*Rule) error {
	if len(rules) == 0 {
		return nil
	}
	if r := rules[len(rules)-1]; len(r.examples) == 0 {
		return fmt.Errorf("%s: the rule has no example; add one below it, as > 550 5.1.1 No such user", r.Place())
	}
	return nil
}

// parseRule reads "class code enhanced "words" "words"".
func parseRule(line string) (*Rule, error) {
	r := &Rule{subject: anyNumber, detail: anyNumber}
	class, rest := field(line)
	if err := r.Class.UnmarshalText([]byte(class)); err != nil {
		return nil, err
	}
	code, rest := field(rest)
	if err := r.parseCode(code); err != nil {
		return nil, err
	}
	enhanced, rest := field(rest)
	if err := r.parseEnhanced(enhanced); err != nil {
		return nil, err
	}
	for rest != "" {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || quoted[0] != '"' {
			return nil, fmt.Errorf("want words in double quotes, not %s", rest)
		}
		words, err := strconv.Unquote(quoted)
		if err != nil || words == "" || words != strings.ToLower(words) || strings.ContainsAny(words, "\t\r\n") || strings.Contains(words, "  ") {
			return nil, fmt.Errorf("words %s must be in lower case, with single spaces", quoted)
		}
		if len(words) > maxPhrase {
			return nil, fmt.Errorf("words %.40s... are longer than %d", quoted, maxPhrase)
		}
		r.words = append(r.words, words)
		rest = strings.TrimSpace(rest[len(quoted):])
	}
	if r.code == 0 && r.subject == anyNumber && len(r.words) == 0 {
		return nil, fmt.Errorf("the rule fits all replies")
	}
	return r, nil
}

// maxPhrase bounds the words of one pattern, and with maxPhrases the automaton.
const maxPhrase = 100

func field(line string) (word, rest string) {
	word, rest, _ = strings.Cut(line, " ")
	return word, strings.TrimSpace(rest)
}

// parseCode reads "*", "4xx" or "550".
func (r *Rule) parseCode(word string) error {
	switch word {
	case "*":
		return nil
	case "4xx", "5xx":
		r.code = int(word[0] - '0')
		return nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 400 || n > 599 {
		return fmt.Errorf("code %q is none of *, 4xx, 5xx or a number from 400 to 599", word)
	}
	r.code = n
	return nil
}

// parseEnhanced reads "*", "x.7.x" or "x.7.1".
func (r *Rule) parseEnhanced(word string) error {
	if word == "*" {
		return nil
	}
	parts := strings.Split(word, ".")
	bad := fmt.Errorf("enhanced code %q is none of *, x.7.x or x.7.1", word)
	if len(parts) != 3 || parts[0] != "x" {
		return bad
	}
	var err error
	if r.subject, err = strconv.Atoi(parts[1]); err != nil || r.subject < 0 {
		return bad
	}
	if parts[2] == "x" {
		return nil
	}
	if r.detail, err = strconv.Atoi(parts[2]); err != nil || r.detail < 0 {
		return bad
	}
	return nil
}
