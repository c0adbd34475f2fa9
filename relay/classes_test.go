package relay

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-mta/posthaste/policy/classify"
	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// What a class calls for is done: a wait twice as long, words in the bounce, a count against the address; and an
// operator may have it otherwise, for what comes after.
func TestActionsOfClasses(t *testing.T) {
	const script = "RCPT much -> 450 4.7.0 too much mail from you\nRCPT picky -> 550 5.0.0 your mail is spam\nRCPT full -> 552 5.2.2 mailbox full"
	inStory(t, script, func(t *testing.T, s *story) {
		s.step("zone", []string{"x.test MX 10 mx.x.test", "mx.x.test A 192.0.2.1", "a.test MX 10 mx.a.test", "mx.a.test A 192.0.2.9"})
		s.step("remote mx.a.test", nil)
		defer s.suppressing(suppress.Rule{Bounces: 1, Within: time.Hour})()
		send := func() string {
			seen := s.step("submit from=ann@a.test to=much@x.test,picky@x.test,full@x.test", nil)
			synctest.Wait()
			return seen
		}
		seen := send()
		for _, want := range []string{"too much mail from you, next in 10m0s", "bounced   1 full@x.test", "bounced   1 picky@x.test"} {
			if !strings.Contains(seen, want) {
				t.Errorf("no %q in\n%s", want, seen)
			}
		}
		report := strings.Join(strings.Fields(strings.ReplaceAll(s.received("mx.a.test", true), "| ", "")), " ")
		for _, want := range []string{
			"<picky@x.test> The receiving server does not accept what the message contains. The address is not the reason: the same message, " +
				"sent again in the same way, would be refused again. mx.x.test answered:",
			"<full@x.test> The mailbox is full. mx.x.test answered:",
		} {
			if !strings.Contains(report, want) {
				t.Errorf("no %q in\n%s", want, report)
			}
		}
		own, err := classes(t).With(map[classify.Class]classify.Action{
			classify.RateOrReputation: classify.FollowCode, classify.FullMailbox: classify.CountBounce, classify.Content: classify.FollowCode,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.policy.Classes = own
		s.relay.SetPolicy(s.shaped())
		if seen := send(); !strings.Contains(seen, "too much mail from you, next in 5m0s") || !strings.Contains(seen, "bounced   3 full@x.test") {
			t.Errorf("with other actions:\n%s", seen)
		}
		if seen := send(); !strings.Contains(seen, "suppressed 5 full@x.test") || strings.Count(seen, "suppressed ") != 1 {
			t.Errorf("after a bounce that counts:\n%s", seen)
		}
		if report := s.received("mx.a.test", true); strings.Contains(report, "The address is not the reason") {
			t.Errorf("report:\n%s", report)
		}
	})
}
