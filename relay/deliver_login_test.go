package relay

import (
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

func TestWantsLogin(t *testing.T) {
	wants := message.Status{Code: 530, Enhanced: message.EnhancedCode{5, 7, 0}, Text: "Authentication required", Remote: true}
	full := message.Status{Code: 552, Enhanced: message.EnhancedCode{5, 2, 2}, Text: "full", Remote: true}
	for _, c := range []struct {
		kind   string
		status message.Status
		want   string
	}{
		{"smarthost", wants, "451 4.7.0 mx.test wants a login (see [[login]] in the configuration): 530 5.7.0 Authentication required"},
		{"static", wants, "451 4.7.0 mx.test wants a login (see [[login]] in the configuration): 530 5.7.0 Authentication required"},
		{"mx", wants, wants.String()},
		{"smarthost", full, full.String()},
	} {
		if got := wantsLogin(&peerFacts{host: "mx.test", route: RouteDetail{Kind: c.kind}}, c.status); got.String() != c.want {
			t.Errorf("%s: %s", c.kind, got)
		}
	}
}
