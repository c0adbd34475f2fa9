package main

import (
	"time"

	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// Suppression is how recipients are treated that want no mail. `posthaste suppress` has the lists.
type Suppression struct {
	// Reply is accept (250, and the recipient ends as suppressed) or refuse (550 5.7.1).
	Reply string `toml:"reply" enum:"accept,refuse"`
	// Bounces of that many messages, because there is no such mailbox or domain, Within this time put an address on the
	// tenant's list; 0: they do not.
	Bounces int      `toml:"bounces" min:"0" max:"20"`
	Within  Duration `toml:"within" min:"1s"`
	// Expire is when such an entry ends; 0: when it is removed.
	Expire Duration `toml:"expire" min:"0s"`
}

func defaultSuppression() Suppression {
	r := suppress.DefaultRule()
	return Suppression{Reply: "accept", Bounces: r.Bounces, Within: Duration{r.Within}, Expire: Duration{r.For}}
}

// rule returns when bounces enter a list.
func (s *Suppression) rule() suppress.Rule {
	if s.Bounces == 0 {
		return suppress.Rule{Off: true}
	}
	return suppress.Rule{Bounces: s.Bounces, Within: s.Within.Duration, For: s.Expire.Truncate(time.Second)}
}
