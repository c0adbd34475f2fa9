package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/inbound"
)

// Inbound is how mail from strangers is looked at, on the listeners that check it: from clients without a login and
// outside [relay] networks, for the domains of [relay].
type Inbound struct {
	Enabled bool `toml:"enabled"`
	// Allow are networks whose mail is not looked at; Deny, of the others, those that are not served at all (554).
	Allow []Prefix `toml:"allow"`
	Deny  []Prefix `toml:"deny"`
	// AuthservID names this relay in Authentication-Results. Default: Hostname.
	AuthservID string `toml:"authserv_id"`
	// OtherIDs are names of other hosts of ours: incoming fields under these are removed like those under AuthservID.
	OtherIDs []string `toml:"other_authserv_ids"`
	// Timeout bounds all checks of a message together; what is not known by then is a temporary error.
	Timeout Duration `toml:"timeout" min:"1s" max:"5m"`
	// MaxSignatures is how many DKIM signatures of a message are looked at.
	MaxSignatures int            `toml:"max_signatures" min:"1" max:"50"`
	Actions       InboundActions `toml:"actions"`
	// Lists are DNSBLs that are asked about each client.
	Lists []DNSBL `toml:"dnsbl"`
}

// InboundActions are what follows from each result: none; tag (a header field for filters behind us); hold (taken, and
// waits for an operator); defer (451); refuse (550). The strictest counts.
type InboundActions struct {
	SPFFail         string `toml:"spf_fail" enum:"none,tag,hold,defer,refuse"`
	SPFSoftFail     string `toml:"spf_softfail" enum:"none,tag,hold,defer,refuse"`
	SPFPermError    string `toml:"spf_permerror" enum:"none,tag,hold,defer,refuse"`
	DKIMFail        string `toml:"dkim_fail" enum:"none,tag,hold,defer,refuse"`        // there are signatures, and none is valid
	DMARCReject     string `toml:"dmarc_reject" enum:"none,tag,hold,defer,refuse"`     // DMARC fails, and the domain says p=reject
	DMARCQuarantine string `toml:"dmarc_quarantine" enum:"none,tag,hold,defer,refuse"` // or p=quarantine
	DMARCNone       string `toml:"dmarc_none" enum:"none,tag,hold,defer,refuse"`       // or p=none
	BadAuthor       string `toml:"bad_author" enum:"none,tag,hold,defer,refuse"`       // the From field names no domain
	Listed          string `toml:"listed" enum:"none,tag,hold,defer,refuse"`           // by a DNSBL without an action of its own
	NullMX          string `toml:"null_mx" enum:"none,tag,hold,defer,refuse"`          // the sender's domain takes no mail (RFC 7505)
	UnknownSender   string `toml:"unknown_sender" enum:"none,tag,hold,defer,refuse"`   // or has no mail server
	NoReverse       string `toml:"no_reverse" enum:"none,tag,hold,defer,refuse"`       // the client has no name that leads back
	TempError       string `toml:"temp_error" enum:"none,tag,hold,defer,refuse"`       // SPF or DMARC cannot be told for now
}

// DNSBL is a list of addresses in the DNS.
type DNSBL struct {
	Zone string `toml:"zone"`
	// Action is what follows from a hit; default: that of inbound.actions.listed.
	Action string `toml:"action" enum:"default,none,tag,hold,defer,refuse"`
	// Codes are actions by answer ("127.0.0.2", "127.0.0.10/31"), where "ignore" is no hit; then answers that are not
	// here are none either. Without any, all answers in 127.0.0.0/8 are hits but those that lists use to complain.
	Codes   map[string]string `toml:"codes" enum:"default,none,tag,hold,defer,refuse,ignore"`
	Timeout Duration          `toml:"timeout" min:"100ms" max:"1m"`
}

func defaultInbound() Inbound {
	d := inbound.DefaultActions()
	return Inbound{
		Enabled: true, Timeout: Duration{20 * time.Second}, MaxSignatures: 8,
		Actions: InboundActions{
			SPFFail: d.SPFFail.String(), SPFSoftFail: d.SPFSoftFail.String(), SPFPermError: d.SPFPermError.String(),
			DKIMFail: d.DKIMFail.String(), DMARCReject: d.DMARCReject.String(), DMARCQuarantine: d.DMARCQuarantine.String(),
			DMARCNone: d.DMARCNone.String(), BadAuthor: d.BadAuthor.String(), Listed: d.Listed.String(),
			NullMX: d.NullMX.String(), UnknownSender: d.UnknownSender.String(), NoReverse: d.NoReverse.String(),
			TempError: d.TempError.String(),
		},
	}
}

// complete fills what follows from the rest of the configuration.
func (i *Inbound) complete(hostname string) {
	if i.AuthservID == "" {
		i.AuthservID = hostname
	}
	for n := range i.Lists {
		l := &i.Lists[n]
		if l.Action == "" {
			l.Action = inbound.ActionDefault.String()
		}
		if l.Timeout.Duration == 0 {
			l.Timeout.Duration = 5 * time.Second
		}
	}
}

// inbound checks [inbound].
func (c *checker) inbound() {
	i := &c.cfg.Inbound
	if c.pos.lines["inbound.authserv_id"] > 0 {
		if p := checkDomain(i.AuthservID); p != "" {
			c.fail("inbound.authserv_id", "%s", p)
		}
	}
	for n, id := range i.OtherIDs {
		if p := checkDomain(id); p != "" {
			c.fail("inbound.other_authserv_ids", "element %d: %s", n+1, p)
		}
	}
	zones := map[string]string{}
	for n, l := range i.Lists {
		key := fmt.Sprintf("inbound.dnsbl[%d].", n)
		if p := checkDomain(l.Zone); p != "" {
			c.fail(key+"zone", "%s", p)
		}
		c.unique(zones, strings.ToLower(l.Zone), key+"zone")
		for answer := range l.Codes {
			if _, err := answerOf(answer); err != nil {
				c.fail(key+"codes."+quoteKey(answer), "%v", err)
			}
		}
	}
}

// answerOf reads an answer of a DNSBL, or a range of them.
func answerOf(s string) (netip.Prefix, error) {
	var p Prefix
	if err := p.UnmarshalText([]byte(s)); err != nil || !p.Addr().Is4() || p.Addr().As4()[0] != 127 || p.Bits() < 8 {
		return netip.Prefix{}, fmt.Errorf("%q is no answer of a list (such as \"127.0.0.2\", \"127.0.0.10/31\")", s)
	}
	return p.Prefix, nil
}

// inboundChecker makes what asks about strangers; nil if nobody is to.
func inboundChecker(cfg *Config, r inbound.Resolver) (*inbound.Checker, error) {
	i := &cfg.Inbound
	if !i.Enabled {
		return nil, nil
	}
	o := inbound.Config{
		Resolver: r, ID: i.AuthservID, OtherIDs: i.OtherIDs, Timeout: i.Timeout.Duration, MaxSignatures: i.MaxSignatures,
	}
	a, to := &i.Actions, &o.Actions
	for _, one := range []struct {
		to   *inbound.Action
		name string
	}{
		{&to.SPFFail, a.SPFFail}, {&to.SPFSoftFail, a.SPFSoftFail}, {&to.SPFPermError, a.SPFPermError},
		{&to.DKIMFail, a.DKIMFail}, {&to.DMARCReject, a.DMARCReject}, {&to.DMARCQuarantine, a.DMARCQuarantine},
		{&to.DMARCNone, a.DMARCNone}, {&to.BadAuthor, a.BadAuthor}, {&to.Listed, a.Listed}, {&to.NullMX, a.NullMX},
		{&to.UnknownSender, a.UnknownSender}, {&to.NoReverse, a.NoReverse}, {&to.TempError, a.TempError},
	} {
		if err := one.to.UnmarshalText([]byte(one.name)); err != nil {
			return nil, err
		}
	}
	for _, l := range i.Lists {
		list, err := l.list()
		if err != nil {
			return nil, fmt.Errorf("inbound.dnsbl %s: %w", l.Zone, err)
		}
		o.Lists = append(o.Lists, list)
	}
	return inbound.New(o)
}

// list returns the list as the engine takes it. Of codes that overlap the narrowest comes first.
func (l *DNSBL) list() (inbound.List, error) {
	list := inbound.List{Zone: l.Zone, Timeout: l.Timeout.Duration}
	if err := list.Action.UnmarshalText([]byte(l.Action)); err != nil {
		return list, err
	}
	for answer, action := range l.Codes {
		p, err := answerOf(answer)
		if err != nil {
			return list, err
		}
		code := inbound.ListCode{Net: p, Ignore: action == "ignore"}
		if !code.Ignore {
			if err := code.Action.UnmarshalText([]byte(action)); err != nil {
				return list, err
			}
		}
		list.Codes = append(list.Codes, code)
	}
	slices.SortFunc(list.Codes, func(a, b inbound.ListCode) int {
		if a.Net.Bits() != b.Net.Bits() {
			return b.Net.Bits() - a.Net.Bits()
		}
		return a.Net.Addr().Compare(b.Net.Addr())
	})
	return list, nil
}
