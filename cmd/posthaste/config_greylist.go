package main

import (
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/greylist"
)

// Greylist has clients that are not known come again, on the listeners that check strangers' mail. `posthaste greylist`
// shows what is remembered.
type Greylist struct {
	Enabled bool `toml:"enabled"`
	// Delay is how long a new client network, sender and recipient wait; who comes later than Window is new again.
	Delay  Duration `toml:"delay" min:"1s" max:"24h"`
	Window Duration `toml:"window" min:"1m"`
	// Lifetime is how long it is remembered who came back, from their last mail on.
	Lifetime Duration `toml:"lifetime" min:"2h"`
	// KnownAfter is how often a network must come back for all its mail to pass; 0: that never does.
	KnownAfter int `toml:"known_after" min:"0" max:"1000000"`
	// SPFPasses lets mail pass from clients that the sender's domain names as its own. It wants [inbound].
	SPFPasses bool `toml:"spf_passes"`
	// Networks, Senders and Recipients need not wait: addresses, domains, or ".example.com" for all domains below.
	Networks   []Prefix `toml:"networks"`
	Senders    []string `toml:"senders"`
	Recipients []string `toml:"recipients"`
}

func defaultGreylist() Greylist {
	r := greylist.DefaultRules()
	return Greylist{
		Delay: Duration{r.Delay}, Window: Duration{r.RetryWindow}, Lifetime: Duration{r.Lifetime},
		KnownAfter: r.KnownAfter, SPFPasses: true,
	}
}

// greylist checks [greylist].
func (c *checker) greylist() {
	g := &c.cfg.Greylist
	if g.Window.Duration < g.Delay.Duration+time.Minute {
		c.fail("greylist.window", "%s leaves no time to come back after delay (%s)", g.Window, g.Delay)
	}
	for key, list := range map[string][]string{"greylist.senders": g.Senders, "greylist.recipients": g.Recipients} {
		for i, name := range list {
			problem := ""
			if strings.Contains(name, "@") {
				if _, err := message.ParseAddress(name, true); err != nil {
					problem = err.Error()
				}
			} else {
				problem = checkDomain(strings.TrimPrefix(name, "."))
			}
			if problem != "" {
				c.fail(key, "element %d: %s", i+1, problem)
			}
		}
	}
}

// rules returns them as the engine takes them.
func (g *Greylist) rules() greylist.Rules {
	r := greylist.Rules{
		Delay: g.Delay.Duration, RetryWindow: g.Window.Duration, Lifetime: g.Lifetime.Duration, KnownAfter: g.KnownAfter,
		Networks: prefixes(g.Networks), Senders: g.Senders, Recipients: g.Recipients,
	}
	if r.KnownAfter == 0 {
		r.KnownAfter = -1 // to the engine 0 is the default
	}
	return r
}
