package milter

import (
	"sync/atomic"
	"time"
)

// Metrics is what a Scanner has done since it was made.
type Metrics struct {
	Accepted, Held, Discarded, Rejected, Tempfailed uint64 // verdicts, also those of OnFailure

	Failures     uint64 // messages about which the filter did not decide
	Connects     uint64 // connections tried
	Reused       uint64 // messages that went over a kept connection
	Busy, Idle   int    // connections now
	TotalSeconds float64
}

// Metrics returns the counters.
func (s *Scanner) Metrics() Metrics {
	c := &s.counter
	return Metrics{
		Accepted: c.verdicts[ActionAccept].Load(), Held: c.verdicts[ActionHold].Load(),
		Discarded: c.verdicts[ActionDiscard].Load(), Rejected: c.verdicts[ActionReject].Load(),
		Tempfailed: c.verdicts[ActionTempfail].Load(),
		Failures:   c.failures.Load(), Connects: c.dials.Load(), Reused: c.reused.Load(),
		Busy: len(s.pool.slots), Idle: s.pool.idle(),
		TotalSeconds: time.Duration(c.nanoseconds.Load()).Seconds(),
	}
}

type counter struct {
	verdicts                [ActionTempfail + 1]atomic.Uint64
	failures, dials, reused atomic.Uint64
	nanoseconds             atomic.Int64
}

func (c *counter) scanned(v Verdict, took time.Duration) {
	c.verdicts[v.Action].Add(1)
	if v.Err != nil {
		c.failures.Add(1)
	}
	c.nanoseconds.Add(int64(took))
}
