package resolver

import (
	"fmt"

	"github.com/posthaste-mta/posthaste/message"
)

// Failure is why a domain has no route. Its Status says whether mail is to be tried again
// (Temporary) or bounced (Permanent):
//
//	550 5.1.2   the domain is not a name, does not exist, or has neither MX nor address records
//	556 5.1.10  the domain takes no mail: null MX (RFC 7505)
//	550 5.4.4   the domain has MX records, and none of their hosts has an address
//	554 5.4.6   we are its most preferred MX host ourselves (RFC 5321 5.1)
//	550 5.7.1   its hosts have only addresses that we must not deliver to
//	451 4.4.3   the DNS did not answer
//	451 4.3.5   the static route or smart host for it cannot be used: never a reason to bounce
type Failure struct {
	Status message.Status
	// Err is the cause, nil when a rule and not a fault decided.
	Err error
}

func (f *Failure) Error() string { return f.Status.String() }

// Unwrap returns the cause, such as context.Canceled.
func (f *Failure) Unwrap() error { return f.Err }

func permanent(code int, subject, detail int, format string, args ...any) *Failure {
	return &Failure{Status: message.Status{
		Code: code, Enhanced: message.EnhancedCode{5, subject, detail}, Text: fmt.Sprintf(format, args...),
	}}
}

func badDomain(format string, args ...any) *Failure { return permanent(550, 1, 2, format, args...) }

// unanswered is the failure of a question that nobody could answer, or whose asker gave up.
func unanswered(what string, err error) *Failure {
	return &Failure{
		Status: message.Status{
			Code: 451, Enhanced: message.EnhancedCode{4, 4, 3},
			Text: fmt.Sprintf("DNS lookup of %s failed: %v", what, err),
		},
		Err: err,
	}
}

// misrouted turns the failure of a next hop that the operator named into a temporary one: a slip in the
// configuration must not bounce a queue.
func misrouted(domain string, hop NextHop, f *Failure) *Failure {
	if f.Status.Temporary() {
		return f
	}
	return &Failure{
		Status: message.Status{
			Code: 451, Enhanced: message.EnhancedCode{4, 3, 5},
			Text: fmt.Sprintf("the route for %s to %s cannot be used: %s", domain, hop, f.Status.Text),
		},
		Err: f.Err,
	}
}
