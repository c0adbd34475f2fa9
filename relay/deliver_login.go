package relay

import (
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/resolver"
)

// replyAuthRequired is what a host says to mail without a login where it wants one (RFC 4954 6).
const replyAuthRequired = 530

// wantsLogin returns what mail is told by a reply of the host that f is about. Where the operator sent it there, a login
// that is missing is the operator's to give: mail waits for it and does not come back. Of a host that its domain named, the
// reply stands.
func wantsLogin(f *peerFacts, status message.Status) message.Status {
	named := f.route.Kind == resolver.KindStatic.String() || f.route.Kind == resolver.KindSmartHost.String()
	if status.Code != replyAuthRequired || !named {
		return status
	}
	return localStatus(451, message.EnhancedCode{4, 7, 0},
		f.host+" wants a login (see [[login]] in the configuration): "+status.String())
}
