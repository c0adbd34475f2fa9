package policy

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/policy/classify"
)

func TestScheduleStory(t *testing.T) {
	s := Schedule{Intervals: []time.Duration{5 * time.Minute, 20 * time.Minute, time.Hour}, Expire: 10 * time.Hour, DelayWarning: 4 * time.Hour, GreylistRetry: time.Minute}
	for _, c := range []struct {
		what     string
		attempts int
		age      time.Duration
		action   classify.Action
		want     time.Duration
	}{
		{"after the first attempt", 1, 0, classify.FollowCode, 5 * time.Minute},
		{"after the second", 2, 5 * time.Minute, classify.FollowCode, 20 * time.Minute},
		{"the last interval repeats", 7, 5 * time.Hour, classify.FollowCode, time.Hour},
		{"no attempt counted", 0, 0, classify.FollowCode, 5 * time.Minute},
		{"greylisted at first", 1, 0, classify.RetrySoon, time.Minute},
		{"still greylisted", 2, time.Minute, classify.RetrySoon, 3 * time.Minute},
		{"greylisted again and again", 4, 13 * time.Minute, classify.RetrySoon, 27 * time.Minute},
		{"greylisted for ever", 9, 5 * time.Hour, classify.RetrySoon, time.Hour},
		{"too much at first", 1, 0, classify.SlowDown, 10 * time.Minute},
		{"too much in the end", 7, 5 * time.Hour, classify.SlowDown, 2 * time.Hour},
		{"too much just before the expiry", 8, 9 * time.Hour, classify.SlowDown, time.Hour},
		{"content, for now", 1, 0, classify.MendSending, 5 * time.Minute},
		{"the last attempt is at the expiry", 9, 9*time.Hour + 30*time.Minute, classify.FollowCode, 30 * time.Minute},
		{"behind the expiry", 9, 11 * time.Hour, classify.FollowCode, time.Hour},
		{"the clock was set back", 1, -time.Hour, classify.FollowCode, 5 * time.Minute},
	} {
		if got := s.Next(c.attempts, c.age, c.action, 0.9); got != c.want {
			t.Errorf("%s: wait %v, want %v", c.what, got, c.want)
		}
	}
	if s.Expired(10*time.Hour-1) || !s.Expired(10*time.Hour) {
		t.Error("expiry")
	}
	if s.WarnDue(4*time.Hour-1, false) || !s.WarnDue(4*time.Hour, false) || s.WarnDue(4*time.Hour, true) {
		t.Error("delay warning")
	}
	never := Schedule{}
	if never.Expired(math.MaxInt64) || never.WarnDue(math.MaxInt64, false) || never.Next(1, 0, classify.FollowCode, 0) != minDelay {
		t.Error("zero schedule")
	}
}

func TestScheduleBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{
			Intervals: rapid.SliceOf(rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour)).Draw(t, "interval"))
			})).Draw(t, "intervals"),
			Jitter: rapid.Float64Range(0, 0.99).Draw(t, "jitter"), Expire: time.Duration(rapid.Int64Range(1, int64(200*time.Hour)).Draw(t, "expire")),
			GreylistRetry: time.Minute,
		}
		attempts, rnd := rapid.IntRange(-1, 1000).Draw(t, "attempts"), rapid.Float64Range(0, 0.9999).Draw(t, "rnd")
		age := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(300*time.Hour)).Draw(t, "age"))
		d := s.Next(attempts, age, classify.Action(rapid.IntRange(0, int(classify.MendSending)+1).Draw(t, "action")), rnd)
		if d < minDelay || d > 96*time.Hour {
			t.Fatalf("wait %v", d)
		}
		if left := s.Expire - max(age, 0); left > minDelay && d > left {
			t.Fatalf("wait %v, past the expiry in %v", d, left)
		}
	})
}

func TestScheduleJitter(t *testing.T) {
	s := Schedule{Intervals: []time.Duration{100 * time.Second}, Jitter: 0.1, Expire: time.Hour}
	for rnd, want := range map[float64]time.Duration{0: 90 * time.Second, 0.5: 100 * time.Second, 0.75: 105 * time.Second} {
		if got := s.Next(1, 0, classify.FollowCode, rnd); got != want {
			t.Errorf("rnd %v: %v, want %v", rnd, got, want)
		}
	}
}

func TestScheduleValidate(t *testing.T) {
	if err := DefaultSchedule().Validate(); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*Schedule){
		"no intervals":    func(s *Schedule) { s.Intervals = nil },
		"zero interval":   func(s *Schedule) { s.Intervals = []time.Duration{time.Minute, 0} },
		"jitter 1":        func(s *Schedule) { s.Jitter = 1 },
		"jitter NaN":      func(s *Schedule) { s.Jitter = math.NaN() },
		"no expiry":       func(s *Schedule) { s.Expire = 0 },
		"negative notice": func(s *Schedule) { s.DelayWarning = -1 },
	} {
		s := DefaultSchedule()
		spoil(&s)
		if s.Validate() == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestSchedulesFor(t *testing.T) {
	own, below := &Schedule{Expire: 1}, &Schedule{Expire: 2}
	s := Schedules{Default: Schedule{Expire: 3}, Domains: map[string]*Schedule{"a.test": own, ".a.test": below}}
	for domain, want := range map[string]time.Duration{"a.test": 1, "x.a.test": 2, "y.x.a.test": 2, "xa.test": 3, "test": 3, "": 3, "[192.0.2.1]": 3} {
		if got := s.For(domain).Expire; got != want {
			t.Errorf("%s: %v, want %v", domain, got, want)
		}
	}
}
