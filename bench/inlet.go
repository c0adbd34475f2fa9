package bench

import (
	"encoding/base64"
	"fmt"
)

// Inlet is where a load comes in at posthaste, and what is asked there. The zero value is a listener for clients that
// may send anywhere, which every relay has; with others posthaste alone is measured.
type Inlet struct {
	// Strangers tells that the clients are other servers with mail for domains of ours. A load balancer in front
	// tells their addresses: lists are asked about public ones only, and those cannot be had on loopback.
	Strangers bool `json:"strangers,omitempty"`
	// Submission tells that they are programs of ours; with Checks they log in.
	Submission bool `json:"submission,omitempty"`
	// Checks tells that all is asked that policy can ask there.
	Checks bool `json:"checks,omitempty"`
	// Stock is what policy knows beforehand.
	Stock Stock `json:"stock,omitzero"`
	// Mailboxes are those that the relay has itself.
	Mailboxes Mailboxes `json:"mailboxes,omitzero"`
}

// Stock is how much policy knows before the first message. The load meets all of the triplets that it can and none of
// the suppressed addresses.
type Stock struct {
	Triplets    int `json:"triplets"`
	Suppressed  int `json:"suppressed"`
	Credentials int `json:"credentials"`
}

// usualStock is that of a busy relay.
func usualStock() Stock { return Stock{Triplets: 100_000, Suppressed: 1_000_000, Credentials: 10_000} }

const (
	// perNetwork is how many clients share a network of 256 addresses, as greylisting sees them.
	perNetwork = 10
	// inletSecret is that of all credentials.
	inletSecret = "a secret of the bench"
)

// clientAddr is the address of a client: one of those set aside for benchmarks (RFC 2544).
func clientAddr(i int) string { return fmt.Sprintf("198.18.%d.%d", i/perNetwork, 10+i%perNetwork) }

// credentialName is the i-th name that may log in.
func credentialName(i int) string { return fmt.Sprintf("app%05d", i) }

// hello is how session i begins its connections.
func (l *Loader) hello(i int) (h hello) {
	if l.Clients > 0 {
		h.proxy = fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 %d 25\r\n", clientAddr(i%l.Clients), 20_000+i)
	}
	if l.Logins > 0 {
		h.plain = base64.StdEncoding.EncodeToString([]byte("\x00" + credentialName(i%l.Logins) + "\x00" + inletSecret))
	}
	return h
}
