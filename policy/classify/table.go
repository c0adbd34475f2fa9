package classify

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/posthaste-mta/posthaste/message"
)

// Table is all rules, in the order in which they decide, and what each class calls for. It does not change and is
// safe for concurrent use. The nil Table knows no rule.
type Table struct {
	rules []*Rule
	// actions are by class.
	actions [NumClasses]Action
	// withWords has rules by the number of the first of their phrases, wordless those without; both in order.
	withWords [][]uint16
	wordless  []uint16
	automaton *automaton
}

// Verdict is what a table says of a reply.
type Verdict struct {
	Class Class
	// Action is what the table has the class call for.
	Action Action
	// Rule is the one that decided; nil if none knows the reply.
	Rule *Rule
}

// ByWords tells that the reply's words decided, which say more than its codes.
func (v Verdict) ByWords() bool { return v.Rule != nil && len(v.Rule.words) > 0 }

// New makes a table of files: the first rule that fits a reply decides. Each rule must decide its own
// examples, unless one of an earlier file does. Errors name file and line.
func New(files ...File) (*Table, error) {
	t := &Table{}
	for c := range t.actions {
		t.actions[c] = Class(c).Action()
	}
	for _, f := range files {
		rules, err := f.parse()
		if err != nil {
			return nil, err
		}
		t.rules = append(t.rules, rules...)
	}
	if err := t.index(); err != nil {
		return nil, err
	}
	return t, t.check()
}

// With returns a table of the same rules in which these classes call for other actions.
func (t *Table) With(actions map[Class]Action) (*Table, error) {
	other := *t
	for c, a := range actions {
		if a == CountBounce && !c.AboutRecipient() {
			return nil, fmt.Errorf("class %s cannot have the action %s: it does not speak of the recipient", c, a)
		}
		other.actions[c] = a
	}
	return &other, nil
}

// Action returns what the class calls for.
func (t *Table) Action(c Class) Action {
	if t == nil || c >= NumClasses {
		return c.Action()
	}
	return t.actions[c]
}

func (t *Table) index() error {
	numbers := make(map[string]uint16)
	var phrases []string
	for i, r := range t.rules {
		for _, w := range r.words {
			n, ok := numbers[w]
			if !ok {
				n = uint16(len(phrases))
				numbers[w] = n
				phrases = append(phrases, w)
				t.withWords = append(t.withWords, nil)
			}
			r.phrases = append(r.phrases, n)
		}
		if len(phrases) > maxPhrases || i >= 1<<16-1 {
			return fmt.Errorf("%s: more than %d patterns in all", r.Place(), maxPhrases)
		}
		if len(r.words) == 0 {
			t.wordless = append(t.wordless, uint16(i))
		} else {
			t.withWords[r.phrases[0]] = append(t.withWords[r.phrases[0]], uint16(i))
		}
	}
	var err error
	t.automaton, err = newAutomaton(phrases)
	return err
}

// check has every rule decide its examples. It tells of all that do not.
func (t *Table) check() error {
	place := make(map[*Rule]int, len(t.rules))
	for i, r := range t.rules {
		place[r] = i
	}
	var faults []error
	for i, r := range t.rules {
		for _, e := range r.examples {
			switch by := t.Classify(e.status).Rule; {
			case by == nil || place[by] > i:
				faults = append(faults, fmt.Errorf("%s:%d: the rule does not fit its example", r.File, e.line))
			case by != r && by.File == r.File:
				faults = append(faults, fmt.Errorf("%s:%d: the example is decided by %s, not by the rule above it", r.File, e.line, by.Place()))
			}
		}
	}
	return errors.Join(faults...)
}

// maxText bounds how much of a reply is read. Nobody has more to say.
const maxText = 4096

// Classify says what a reply is about. One that no rule knows, or that refuses nothing, is Unknown.
// The words of what we concluded ourselves are not looked at: they hold names of hosts, and the codes
// are ours. A nil Table knows no rule.
func (t *Table) Classify(s message.Status) Verdict {
	if t == nil || s.Code < 400 {
		return Verdict{}
	}
	best := len(t.rules)
	if s.Remote {
		var found phraseSet
		t.automaton.find(s.Text[:min(len(s.Text), maxText)], &found)
		best = t.byWords(&s, &found)
	}
	for _, i := range t.wordless {
		if int(i) >= best {
			break
		}
		if t.rules[i].fitsCode(&s) {
			best = int(i)
			break
		}
	}
	if best == len(t.rules) {
		return Verdict{Action: t.actions[Unknown]}
	}
	class := t.rules[best].Class
	return Verdict{class, t.actions[class], t.rules[best]}
}

// byWords returns the first rule with words that fits, or the number of rules.
func (t *Table) byWords(s *message.Status, found *phraseSet) int {
	best := len(t.rules)
	for w, set := range found {
		for ; set != 0; set &= set - 1 {
			for _, i := range t.withWords[w*64+bits.TrailingZeros64(set)] {
				if int(i) >= best {
					break
				}
				if r := t.rules[i]; r.fitsCode(s) && r.fitsWords(found) {
					best = int(i)
					break
				}
			}
		}
	}
	return best
}

func (r *Rule) fitsWords(found *phraseSet) bool {
	for _, n := range r.phrases {
		if !found.has(n) {
			return false
		}
	}
	return true
}
