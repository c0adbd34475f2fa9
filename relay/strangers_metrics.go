package relay

import (
	"slices"
	"sync/atomic"

	"github.com/posthaste-mta/posthaste/policy/inbound"
)

// inboundMethods and inboundValues are all that is counted of checks, in this order; what is in neither is not.
var (
	inboundMethods = [...]string{"spf", "dkim", "dmarc", "iprev", "sender", "list"}
	inboundValues  = [...]inbound.Value{
		inbound.None, inbound.Pass, inbound.Fail, inbound.SoftFail, inbound.Neutral,
		inbound.Policy, inbound.TempError, inbound.PermError,
	}
)

// InboundMetrics is what was found in mail from strangers.
type InboundMetrics struct {
	// Results are messages by method (spf, dkim, dmarc, iprev, sender, list) and its result in the words of RFC 8601. Of
	// the DNSBLs "fail" is a hit, counted once a list and message.
	Results map[string]map[string]uint64
	// Actions are recipients and messages by what followed: none, tag, hold, defer, refuse.
	Actions map[string]uint64
}

// inboundCounters are the same while the relay runs.
type inboundCounters struct {
	results [len(inboundMethods)][len(inboundValues)]atomic.Uint64
	actions [inbound.ActionRefuse + 1]atomic.Uint64
}

// found counts a message.
func (c *inboundCounters) found(r *inbound.Results, action inbound.Action) {
	c.count(0, r.SPF.Value)
	c.count(1, r.DKIM.Value())
	c.count(2, inbound.Value(r.DMARC.Value.String()))
	c.count(3, r.Client.Reverse.Value)
	c.count(4, r.Sender.Value)
	for _, l := range r.Client.Lists {
		switch {
		case l.Err != nil:
			c.count(5, inbound.TempError)
		case l.Listed():
			c.count(5, inbound.Fail)
		default:
			c.count(5, inbound.Pass)
		}
	}
	c.acted(action)
}

func (c *inboundCounters) count(method int, v inbound.Value) {
	if i := slices.Index(inboundValues[:], v); i >= 0 {
		c.results[method][i].Add(1)
	}
}

// acted counts what followed.
func (c *inboundCounters) acted(a inbound.Action) { c.actions[a].Add(1) }

// metrics returns what has been counted; pairs that never happened are left out.
func (c *inboundCounters) metrics() InboundMetrics {
	m := InboundMetrics{Results: map[string]map[string]uint64{}, Actions: map[string]uint64{}}
	for i, method := range inboundMethods {
		for j, value := range inboundValues {
			if n := c.results[i][j].Load(); n > 0 {
				if m.Results[method] == nil {
					m.Results[method] = map[string]uint64{}
				}
				m.Results[method][string(value)] = n
			}
		}
	}
	for a := inbound.ActionNone; a <= inbound.ActionRefuse; a++ {
		m.Actions[a.String()] = c.actions[a].Load()
	}
	return m
}
