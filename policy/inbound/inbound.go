// Package inbound looks at mail from strangers: who the client is, whether its domain lets it send (SPF, RFC 7208), who
// signed the message (DKIM, RFC 6376), and what the author's domain wants done if neither proves anything
// (DMARC, RFC 9989). It reports what it found to the next reader in a header field (RFC 8601) and says
// whether to take the message.
//
//	check.go    all checks of a message, at once and under one deadline
//	client.go   the address: lists (list.go) and the reverse name (reverse.go)
//	sender.go   the return path's domain: whether it takes mail
//	spf.go      the return path; spf_dns.go: what the library asks
//	dkim.go     the signatures, by package dkim
//	author.go   the From field, by package dmarc
//	decide.go   what to do with the message
//	authres.go  Authentication-Results; forged.go: those that strangers wrote in our name
package inbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/policy/recent"
)

// Resolver answers questions for the DNS. A name that does not exist is a bare *net.DNSError with IsNotFound, one
// without records of the type an empty answer; every other error is temporary. Package resolver has one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	// LookupIP takes "ip4", "ip6" or "ip" for network.
	LookupIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupAddr(ctx context.Context, addr netip.Addr) ([]string, error)
	// LookupListed returns A records that are not past their end, even if the servers are dead.
	LookupListed(ctx context.Context, name string) ([]netip.Addr, error)
}

// Value is a result in the words of RFC 8601 2.7.
type Value string

const (
	None      Value = "none"
	Pass      Value = "pass"
	Fail      Value = "fail"
	SoftFail  Value = "softfail"
	Neutral   Value = "neutral"
	Policy    Value = "policy" // verified, but not in a way that we accept
	TempError Value = "temperror"
	PermError Value = "permerror"
)

// Config is what a Checker is made from.
type Config struct {
	Resolver Resolver
	// ID names us in Authentication-Results (the authserv-id), as a rule our host name. OtherIDs are names
	// that our other hosts use: fields under these are removed from incoming mail as well, so name none whose
	// fields should come through.
	ID       string
	OtherIDs []string
	// Lists are asked about each client.
	Lists []List
	// Actions say what follows from the results.
	Actions Actions
	// Timeout bounds all checks of a message together. 0: 20 s (RFC 7208 4.6.4 asks for no less for SPF).
	Timeout time.Duration
	// MaxSignatures bounds the DKIM signatures looked at. 0: 8.
	MaxSignatures int
	// Now tells the time; nil: time.Now.
	Now func() time.Time
}

const (
	defaultTimeout = 20 * time.Second
)

// Checker checks incoming mail. It is safe for concurrent use.
type Checker struct {
	cfg        Config
	ids        []string
	lists      []*list
	signatures *dkim.Verifier
	spf        *recent.Map[spfKey, kept[spfVerdict]]
	clients    *recent.Map[netip.Addr, kept[Client]]
}

// kept is a verdict that holds for a while.
type kept[T any] struct {
	what  T
	until time.Time
}

const (
	// keepFor is how long a verdict holds for more mail of the same kind: less than the time to live of nearly all records,
	// which it adds to.
	keepFor = 10 * time.Second
	// maxKept bounds the verdicts that are kept of each kind, some hundred octets each.
	maxKept = 16_384
)

// New returns a Checker. It fails when the configuration makes no sense.
func New(cfg Config) (*Checker, error) {
	if cfg.Resolver == nil {
		return nil, errors.New("inbound: no resolver")
	}
	if _, err := message.ParseDomain(cfg.ID, false); err != nil {
		return nil, fmt.Errorf("inbound: authserv-id %q: %w", cfg.ID, err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Actions = cfg.Actions.withDefaults()
	c := &Checker{cfg: cfg, ids: append([]string{cfg.ID}, slices.Clone(cfg.OtherIDs)...)}
	c.signatures = dkim.NewVerifier(dkim.VerifyOptions{DNS: cfg.Resolver, MaxSignatures: cfg.MaxSignatures, Now: cfg.Now})
	c.spf, c.clients = recent.NewMap[spfKey, kept[spfVerdict]](maxKept), recent.NewMap[netip.Addr, kept[Client]](maxKept)
	for i, id := range c.ids {
		c.ids[i] = strings.TrimSuffix(strings.ToLower(id), ".")
	}
	for _, l := range cfg.Lists {
		checked, err := newList(l, &c.cfg)
		if err != nil {
			return nil, err
		}
		c.lists = append(c.lists, checked)
	}
	return c, nil
}
