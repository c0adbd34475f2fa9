package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/limit"
)

// Limit is how much each of its kind may ask for. A client that asks for more is told which limit it was and when to come
// back: 450 or 452, or 421 for a connection.
type Limit struct {
	// Each says who has a count of his own: client (an address; an IPv6 /64), credential (a login), tenant, sender
	// (the address in MAIL FROM), domain (of a recipient), listener.
	Each string `toml:"each" enum:"client,credential,tenant,sender,domain,listener"`
	// For are those alone that it holds for, in place of the same for everybody; none: everybody.
	For         []string    `toml:"for"`
	Messages    []Allowance `toml:"messages"`
	Recipients  []Allowance `toml:"recipients"`
	Connections []Allowance `toml:"connections"`
}

// Tarpit is what becomes of clients that guess at addresses: the replies about recipients that do not exist come later
// and later, and at last the connection is closed. It is not for clients that have logged in.
type Tarpit struct {
	Window   Duration `toml:"window" min:"1s"` // within which they are counted
	Free     int      `toml:"free" min:"1"`    // that cost nothing: people mistype
	Refuse   int      `toml:"refuse" min:"0"`  // that close the connection, and refuse new ones in Window; 0: no tarpit
	Delay    Duration `toml:"delay" min:"1ms"` // of the first that is not free; it doubles up to MaxDelay
	MaxDelay Duration `toml:"max_delay" min:"1ms" max:"1m"`
	// Exempt are networks that may guess. Default: the networks of Relay.
	Exempt []Prefix `toml:"exempt"`
}

func defaultTarpit() Tarpit {
	return Tarpit{Window: Duration{10 * time.Minute}, Free: 10, Refuse: 50, Delay: Duration{time.Second}, MaxDelay: Duration{15 * time.Second}}
}

// Allowance is so many, in a time or at once: "100/hour", "5/second burst 50", "10/5m", "2000/day", "20 at once".
type Allowance struct {
	Kind   limit.Kind
	Amount int64
	Period time.Duration
	Burst  int64
}

var errAllowance = errors.New(`is not an amount (such as "100/hour", "5/second burst 50", "2000/day", "20 at once")`)

// UnmarshalText reads an allowance. A day without burst is a calendar day, whose count outlives a restart.
func (a *Allowance) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q %w", text, errAllowance)
	all, atOnce := strings.CutSuffix(string(text), " at once")
	amount, per, hasPer := strings.Cut(all, "/")
	per, burst, hasBurst := strings.Cut(per, " burst ")
	var v Allowance
	var err error
	if v.Amount, err = strconv.ParseInt(strings.TrimSpace(amount), 10, 64); err != nil || atOnce == hasPer {
		return wrong
	}
	if hasBurst {
		if v.Burst, err = strconv.ParseInt(strings.TrimSpace(burst), 10, 64); err != nil || v.Burst < 1 {
			return wrong
		}
	}
	switch per = strings.TrimSpace(per); {
	case atOnce:
		v.Kind = limit.Concurrent
	case per == "day" && !hasBurst:
		v.Kind = limit.Quota
	default:
		if v.Period, err = period(per); err != nil {
			return wrong
		}
	}
	*a = v
	return nil
}

// String writes it as the file does.
func (a Allowance) String() string {
	amount := strconv.FormatInt(a.Amount, 10)
	burst := ""
	if a.Burst > 0 {
		burst = " burst " + strconv.FormatInt(a.Burst, 10)
	}
	switch {
	case a.Kind == limit.Concurrent:
		return amount + " at once"
	case a.Kind == limit.Quota:
		return amount + "/day"
	}
	for name, d := range periods {
		if d == a.Period && (burst != "" || name != "day") {
			return amount + "/" + name + burst
		}
	}
	return amount + "/" + Duration{a.Period}.String() + burst
}

var periods = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

func period(s string) (time.Duration, error) {
	if d, ok := periods[s]; ok {
		return d, nil
	}
	return time.ParseDuration(s)
}

// limitRule is a rule with its place in the file.
type limitRule struct {
	limit.Rule
	key string
}

// limitRules returns what the [[limit]] tables say, as the engine takes it.
func limitRules(cfg *Config) (rules []limitRule) {
	for i := range cfg.Allowed {
		l := &cfg.Allowed[i]
		var subject limit.Subject
		if subject.UnmarshalText([]byte(l.Each)) != nil {
			continue // the enum tells of that
		}
		who := l.For
		if len(who) == 0 {
			who = []string{""}
		}
		for unit, list := range [][]Allowance{limit.Messages: l.Messages, limit.Recipients: l.Recipients, limit.Connections: l.Connections} {
			unit := limit.Unit(unit)
			for _, a := range list {
				for _, name := range who {
					rules = append(rules, limitRule{
						limit.Rule{Subject: subject, For: name, Unit: unit, Kind: a.Kind, Amount: a.Amount, Period: a.Period, Burst: a.Burst},
						fmt.Sprintf("limit[%d].%s", i, unit),
					})
				}
			}
		}
	}
	return rules
}

// engineRules returns the rules alone.
func engineRules(cfg *Config) []limit.Rule {
	var rules []limit.Rule
	for _, r := range limitRules(cfg) {
		rules = append(rules, r.Rule)
	}
	return rules
}

// limits checks [[limit]] and [tarpit].
func (c *checker) limits() {
	wrong := len(c.errs)
	for i, l := range c.cfg.Allowed {
		key := fmt.Sprintf("limit[%d]", i)
		if len(l.Messages)+len(l.Recipients)+len(l.Connections) == 0 {
			c.fail(key, "limits nothing: give messages, recipients or connections")
		}
		c.limitedFor(key+".for", l)
	}
	rules := limitRules(c.cfg)
	for _, r := range rules {
		r.For = "" // of that limitedFor tells
		c.rule(r.key, r.Rule)
	}
	if len(c.errs) > wrong {
		return
	}
	if err := limit.Check(engineRules(c.cfg)); err != nil { // what does not fit together
		key := "limit"
		if r, ok := errors.AsType[*limit.RuleError](err); ok {
			key, err = rules[r.Index].key, r.Err
		}
		c.fail(key, "%s", strings.TrimPrefix(err.Error(), "limit: "))
	}
	c.tarpit()
}

// limitedFor checks whom a limit is for.
func (c *checker) limitedFor(key string, l Limit) {
	for n, name := range l.For {
		r := limit.Rule{For: name, Unit: limit.Recipients, Amount: 1, Period: time.Second}
		if r.Subject.UnmarshalText([]byte(l.Each)) != nil {
			return
		}
		if name == "" {
			c.fail(key, "element %d: is empty", n+1)
			continue
		}
		c.rule(key, r)
	}
}

// rule tells what is wrong with one rule.
func (c *checker) rule(key string, r limit.Rule) {
	err := limit.Check([]limit.Rule{r})
	if told, ok := errors.AsType[*limit.RuleError](err); ok {
		err = told.Err
	}
	if err == nil {
		return
	}
	problem := strings.TrimPrefix(err.Error(), "limit: ")
	if n := len(c.errs); n > 0 && c.errs[n-1].Key == key && c.errs[n-1].Problem == problem {
		return // the same for another one
	}
	c.fail(key, "%s", problem)
}

func (c *checker) tarpit() {
	if t := c.cfg.Tarpit; t.Refuse > 0 {
		if _, err := limit.NewHarvest(t.options()); err != nil {
			c.fail("tarpit", "%s", strings.TrimPrefix(err.Error(), "limit: "))
		}
	}
}

func (t *Tarpit) options() limit.HarvestOptions {
	return limit.HarvestOptions{Window: t.Window.Duration, Free: t.Free, Refuse: t.Refuse,
		Delay: t.Delay.Duration, MaxDelay: t.MaxDelay.Duration, Exempt: prefixes(t.Exempt)}
}
