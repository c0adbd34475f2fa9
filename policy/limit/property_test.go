package limit

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawRules(r *rapid.T) []Rule {
	var rules []Rule
	seen := map[alike]bool{}
	for range rapid.IntRange(1, 6).Draw(r, "rules") {
		rule := Rule{
			Subject: rapid.SampledFrom([]Subject{Credential, Tenant}).Draw(r, "subject"),
			Kind:    rapid.SampledFrom([]Kind{Rate, Quota}).Draw(r, "kind"),
			Amount:  rapid.Int64Range(1, 7).Draw(r, "amount"),
		}
		if rule.Kind == Rate {
			rule.Period = rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour}).Draw(r, "period")
			rule.Burst = rapid.Int64Range(0, 9).Draw(r, "burst")
		}
		if !seen[rule.alike()] {
			seen[rule.alike()] = true
			rules = append(rules, rule)
		}
	}
	return rules
}

// everything returns all that is remembered.
func everything(l *Limiter) map[key]cell {
	all := map[key]cell{}
	for i := range l.shards {
		maps.Copy(all, l.shards[i].cells)
	}
	return all
}

type taken struct {
	at time.Time
	n  int64
}

// Whatever comes: in no span of time does more pass than the rules say, a refusal changes nothing, and
// who comes back when told is let in if nobody was before him.
func TestNeverMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rules, c := drawRules(r), newClock()
		l, err := New(t.Context(), Options{Rules: rules, Now: c.now})
		if err != nil {
			r.Fatal(err)
		}
		defer l.Close()
		passed := map[string][]taken{}
		for range rapid.IntRange(1, 60).Draw(r, "events") {
			c.pass(rapid.SampledFrom([]time.Duration{0, time.Nanosecond, 100 * time.Millisecond, time.Second, time.Minute, time.Hour, 10 * time.Hour}).Draw(r, "pass"))
			who := Who{Credential: rapid.SampledFrom([]string{"", "a", "b"}).Draw(r, "credential"), Tenant: rapid.SampledFrom([]string{"", "x"}).Draw(r, "tenant")}
			n := rapid.Int64Range(1, 3).Draw(r, "n")
			before := everything(l)
			err := l.Take(who, Messages, n)
			var refusal *Refusal
			if errors.As(err, &refusal) {
				if !maps.Equal(before, everything(l)) {
					r.Fatal("a refusal changed something")
				}
				if fits(rules, n) && rapid.Bool().Draw(r, "come back") {
					c.pass(refusal.Wait)
					if err = l.Take(who, Messages, n); err != nil {
						r.Fatalf("told to come back after %v: %v", refusal.Wait, err)
					}
				}
			}
			if err != nil {
				continue
			}
			for s := range numSubjects {
				id := fmt.Sprint(s, who.name(s))
				passed[id] = append(passed[id], taken{c.now(), n})
			}
		}
		for _, rule := range rules {
			for _, name := range []string{"a", "b", "x"} {
				checkRule(r, rule, passed[fmt.Sprint(rule.Subject, name)])
			}
		}
	})
}

// fits tells whether n at once can pass at all.
func fits(rules []Rule, n int64) bool {
	for _, rule := range rules {
		if burst := max(rule.Burst, 0); n > rule.Amount && (rule.Kind == Quota || burst == 0) || burst > 0 && n > burst {
			return false
		}
	}
	return true
}

func checkRule(r *rapid.T, rule Rule, all []taken) {
	burst := rule.Burst
	if burst == 0 {
		burst = rule.Amount
	}
	for i := range all {
		n := int64(0)
		for _, x := range all[i:] {
			n += x.n
			switch span := x.at.Sub(all[i].at); {
			case rule.Kind == Quota && x.at.YearDay() == all[i].at.YearDay() && n > rule.Amount:
				r.Fatalf("%v: %d passed in a day", rule, n)
			case rule.Kind == Rate && float64(n) > float64(burst)+float64(span)/float64(rule.Period)*float64(rule.Amount)+1e-6:
				r.Fatalf("%v, burst %d: %d passed within %v", rule, burst, n, span)
			}
		}
	}
}
