package limit

// Own is limits that one credential brings along. Unlike a Rule it needs not be known to the Limiter
// beforehand: whoever has the credential hands it over with each event, so a change holds at once.
// The zero value and nil hold no limits.
type Own struct{ rules [numUnits][]*rule }

// NewOwn returns those limits as Own. Subject and For of the rules are of no account.
func NewOwn(rules []Rule) (*Own, error) {
	rules = append([]Rule(nil), rules...)
	for i := range rules {
		rules[i].Subject, rules[i].For = Credential, ""
	}
	set, err := newRuleset(rules)
	if err != nil {
		return nil, err
	}
	return &Own{rules: set.everybody[Credential]}, nil
}

// over returns the rules that hold for a credential with limits of its own: these, and those of the
// others that count nothing of the same.
func (o *Own) over(room, rules []*rule, unit Unit) []*rule {
	if o == nil || len(o.rules[unit]) == 0 {
		return rules
	}
	all := append(room, o.rules[unit]...)
	for _, r := range rules {
		if !alikeIn(o.rules[unit], r.alike) {
			all = append(all, r)
		}
	}
	return all
}

func alikeIn(rules []*rule, a alike) bool {
	for _, r := range rules {
		if r.alike == a {
			return true
		}
	}
	return false
}
