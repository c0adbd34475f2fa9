// Package autoconfig tells mail programs how to read and send mail here, so that their owner types an address and a
// password and nothing else. Each family of programs asks in its own way: thunderbird.go, outlook.go and outlook_json.go,
// apple.go. All answers are made of the same Settings. mtasts.go serves the policy that sending servers ask for (RFC 8461),
// which lives at the same kind of place.
//
// Answers tell of a domain and never of a user: who asks about an address learns nothing about whether there is one.
package autoconfig

import (
	"slices"
	"strings"
)

// Protocol is what a Service speaks.
type Protocol string

const (
	IMAP       Protocol = "imap"
	POP3       Protocol = "pop3"
	Submission Protocol = "smtp"
)

// Service is one server that mail programs may use. All of them have TLS.
type Service struct {
	Protocol Protocol
	Host     string
	Port     uint16
	// Implicit is TLS from the first byte (RFC 8314); else there is STARTTLS or STLS.
	Implicit bool
}

// Settings is what is served.
type Settings struct {
	// Domains are those of our users' addresses, in lower case as A-labels; others get 404.
	Domains []string
	// Name is shown to people, who see it as the account's; "" is the domain.
	Name string
	// Host is where this server is reached by HTTPS.
	Host string
	// Services are in order of preference, those with implicit TLS first.
	Services []Service
	// STS is the MTA-STS policy of the domains; nil: they have none.
	STS *STSPolicy
}

// of returns the services of a protocol.
func (s *Settings) of(p Protocol) (out []Service) {
	for _, service := range s.Services {
		if service.Protocol == p {
			out = append(out, service)
		}
	}
	return out
}

// name returns what people see for a domain's accounts.
func (s *Settings) name(domain string) string {
	if s.Name != "" {
		return s.Name
	}
	return domain
}

func (s *Settings) serves(domain string) bool { return slices.Contains(s.Domains, domain) }

// Sort puts services in the order in which programs are to prefer them: IMAP before POP3, implicit TLS before STARTTLS
// (RFC 8314 3), then as they are.
func Sort(services []Service) {
	rank := func(s Service) int {
		n := 2 * slices.Index([]Protocol{IMAP, POP3, Submission}, s.Protocol)
		if !s.Implicit {
			n++
		}
		return n
	}
	slices.SortStableFunc(services, func(a, b Service) int { return rank(a) - rank(b) })
}

// domainOfHost returns the domain that a request to a host is about: the programs ask at names of their own
// below it.
func domainOfHost(host string) string {
	for _, prefix := range []string{"autoconfig.", "autodiscover.", "mta-sts."} {
		if domain, ok := strings.CutPrefix(host, prefix); ok {
			return domain
		}
	}
	return host
}
