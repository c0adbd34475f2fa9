package limit

import (
	"errors"
	"fmt"
	"time"
)

// rule is a Rule ready for use.
type rule struct {
	Rule
	alike     alike
	interval  int64 // ns between two under a rate
	tolerance int64 // ns that may be owed under it
}

// alike says what a rule counts. Rules that count alike share their counts: so a limit can be changed,
// or somebody be given one of his own, without forgiving what has been used up.
type alike struct {
	subject Subject
	unit    Unit
	kind    Kind
	period  uint32 // in units of 100 µs: a day fits
}

func (r Rule) alike() alike {
	return alike{r.Subject, r.Unit, r.Kind, uint32(r.Period / (100 * time.Microsecond))}
}

// ruleset is the rules that hold.
type ruleset struct {
	everybody [numSubjects][numUnits][]*rule
	// one has all rules for those who have one of their own.
	one [numSubjects]map[string]*[numUnits][]*rule
	// quotas tells that some rule is a Quota.
	quotas bool
}

// RuleError says which of several rules is wrong.
type RuleError struct {
	Index int // from 0
	Err   error
}

// Error returns what is wrong, with the rule's place.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %v", e.Index+1, e.Err) }

// Unwrap returns what is wrong.
func (e *RuleError) Unwrap() error { return e.Err }

// Check tells what a Limiter would say of the rules: nil, or a *RuleError if it is one of them.
func Check(rules []Rule) error {
	_, err := newRuleset(rules)
	return err
}

func newRuleset(rules []Rule) (*ruleset, error) {
	set := &ruleset{}
	seen := make(map[alike]map[string]bool)
	var own []*rule
	for i, r := range rules {
		c, err := compile(r)
		if err != nil {
			return nil, &RuleError{i, err}
		}
		if seen[c.alike] == nil {
			seen[c.alike] = make(map[string]bool)
		}
		if seen[c.alike][c.For] {
			return nil, &RuleError{i, fmt.Errorf("limit: there is another that counts the same as %s", c.Rule)}
		}
		seen[c.alike][c.For] = true
		set.quotas = set.quotas || c.Kind == Quota
		if c.For != "" {
			own = append(own, c)
			continue
		}
		list := &set.everybody[c.Subject][c.Unit]
		*list = append(*list, c)
	}
	for _, c := range own {
		set.addOwn(c)
	}
	return set, set.check()
}

func compile(r Rule) (*rule, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	var err error
	if r.For, err = canonical(r.Subject, r.For); err != nil {
		return nil, err
	}
	c := &rule{Rule: r, alike: r.alike()}
	if r.Kind == Rate {
		if c.Burst == 0 {
			c.Burst = c.Amount
		}
		c.interval = (int64(r.Period) + r.Amount - 1) / r.Amount // rounded up: never more than the amount
		c.tolerance = c.interval * c.Burst
	}
	return c, nil
}

// canonical returns the name as the one that counts are kept under.
func canonical(s Subject, name string) (string, error) {
	if name == "" || s != Client {
		return fold(s, name), nil
	}
	p, err := parseClient(name)
	if err != nil {
		return "", fmt.Errorf("limit: client %.60q: %w", name, err)
	}
	return clientName(p), nil
}

func (set *ruleset) addOwn(c *rule) {
	if set.one[c.Subject] == nil {
		set.one[c.Subject] = make(map[string]*[numUnits][]*rule)
	}
	lists := set.one[c.Subject][c.For]
	if lists == nil {
		lists = &[numUnits][]*rule{}
		for u := range lists {
			lists[u] = append(lists[u], set.everybody[c.Subject][u]...)
		}
		set.one[c.Subject][c.For] = lists
	}
	for i, other := range lists[c.Unit] {
		if other.alike == c.alike {
			lists[c.Unit][i] = c
			return
		}
	}
	lists[c.Unit] = append(lists[c.Unit], c)
}

func (set *ruleset) check() error {
	tooMany := errors.New("limit: more than " + fmt.Sprint(maxAlike) + " rules for one subject and unit")
	for s := range set.everybody {
		for u := range set.everybody[s] {
			if len(set.everybody[s][u]) > maxAlike {
				return tooMany
			}
			for _, lists := range set.one[s] {
				if len(lists[u]) > maxAlike {
					return tooMany
				}
			}
		}
	}
	return nil
}
