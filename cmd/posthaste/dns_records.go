package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/admin/autoconfig"
	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/resolver"
)

// zoneRecord is one record to publish, and what is there.
type zoneRecord struct {
	Name  string `json:"name"` // without the final dot
	Type  string `json:"type"`
	Value string `json:"value"` // "" where only its owner knows it
	// For says what it does.
	For string `json:"for"`
	// Optional tells that mail works without.
	Optional bool `json:"optional,omitempty"`
	// Status is what came of the check; "" if there was none.
	Status recordStatus `json:"status,omitempty"`
	// Found is what there is, where it is something else, and Problem what is wrong with it.
	Found   []string `json:"found,omitempty"`
	Problem string   `json:"problem,omitempty"`

	check func(context.Context, *dnsChecker, *zoneRecord) error
}

// recordStatus is what a check found.
type recordStatus string

const (
	recordOK        recordStatus = "ok"
	recordMissing   recordStatus = "missing"
	recordDifferent recordStatus = "different"
	recordUnknown   recordStatus = "unknown" // the name servers do not answer
)

// zoneOf is what the configuration says of a domain.
type zoneOf struct {
	cfg    *Config
	domain string
	keys   []*dkim.Key
	// local tells that mail for the domain comes here.
	local bool
	// senders are the addresses that mail leaves from, with the names they go by, as far as the configuration says.
	senders []sender
}

type sender struct {
	addr netip.Addr
	name string
}

func newZone(cfg *Config, keys []*dkim.Key, domain string) *zoneOf {
	z := &zoneOf{cfg: cfg, domain: domain, keys: keys}
	for _, d := range slices.Concat(cfg.Mailbox.Domains, cfg.Relay.Domains) {
		z.local = z.local || strings.EqualFold(strings.TrimPrefix(d, "."), domain)
	}
	for _, s := range cfg.Sources {
		if isPublic(s.IP) {
			z.senders = append(z.senders, sender{s.IP.Unmap(), strings.ToLower(s.EHLO)})
		}
	}
	return z
}

// isPublic tells whether others see the address.
func isPublic(a netip.Addr) bool {
	return a.IsValid() && a.Unmap().IsGlobalUnicast() && !a.Unmap().IsPrivate()
}

// records returns what to publish. hosts are the addresses of this server in the DNS.
func (z *zoneOf) records(hosts []netip.Addr) (out []*zoneRecord) {
	out = append(out, z.mx(), z.host(hosts), z.spf(hosts))
	out = append(out, z.reverse(hosts)...)
	out = append(out, z.dkim()...)
	out = append(out, z.text("_dmarc.", "v=DMARC1; p=none; rua=mailto:postmaster@"+z.domain, "what receivers do with mail that fails SPF and DKIM", "v=DMARC1", false))
	out = append(out, z.sts()...)
	out = append(out, z.text("_smtp._tls.", "v=TLSRPTv1; rua=mailto:postmaster@"+z.domain, "where senders report TLS that failed", "v=TLSRPTv1", true))
	out = append(out, z.services()...)
	return append(out, z.guides()...)
}

// hostname is this server's name, as it is in records.
func (z *zoneOf) hostname() string { return strings.ToLower(z.cfg.Hostname) }

func (z *zoneOf) mx() *zoneRecord {
	what := "mail for the domain comes here"
	if !z.local {
		what += ", if it is to: no mailbox.domains or relay.domains names it"
	}
	return &zoneRecord{
		Name: z.domain, Type: "MX", Value: "10 " + z.hostname() + ".", For: what, Optional: !z.local,
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error {
			return c.mx(ctx, r, z.hostname(), z.local)
		},
	}
}

// host is about the server itself. Which address it should have, nobody here knows.
func (z *zoneOf) host(hosts []netip.Addr) *zoneRecord {
	r := &zoneRecord{
		Name: z.hostname(), Type: "A", For: "where this server is (AAAA for IPv6)",
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.host(ctx, r) },
	}
	if len(hosts) > 0 {
		r.Value = hosts[0].String()
		if hosts[0].Is6() {
			r.Type = "AAAA"
		}
	}
	return r
}

// reverse is what many receivers ask first: does the address know its name, and the name its address?
func (z *zoneOf) reverse(hosts []netip.Addr) (out []*zoneRecord) {
	if z.cfg.SmartHost != "" {
		return nil // the world sees another's address
	}
	senders := z.senders
	for _, a := range hosts {
		if isPublic(a) && !slices.ContainsFunc(senders, func(s sender) bool { return s.addr == a }) {
			senders = append(slices.Clip(senders), sender{a, z.hostname()})
		}
	}
	for _, s := range senders {
		out = append(out, &zoneRecord{
			Name: reverseName(s.addr), Type: "PTR", Value: s.name + ".", For: "the name of " + s.addr.String() + "; its provider sets it",
			check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.reverse(ctx, r, s) },
		})
	}
	return out
}

// spf lets the MX host send, and the sources that are not it.
func (z *zoneOf) spf(hosts []netip.Addr) *zoneRecord {
	value, what := "v=spf1 mx", "who may send as the domain"
	for _, s := range z.senders {
		if !slices.Contains(hosts, s.addr) {
			value += map[bool]string{true: " ip4:", false: " ip6:"}[s.addr.Is4()] + s.addr.String()
		}
	}
	if z.cfg.SmartHost != "" {
		what += "; add the include: that the provider of your smart host names"
	}
	return &zoneRecord{
		Name: z.domain, Type: "TXT", Value: value + " -all", For: what,
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.checkSPF(ctx, r, z, hosts) },
	}
}

func (z *zoneOf) dkim() (out []*zoneRecord) {
	for _, k := range z.keys {
		out = append(out, &zoneRecord{
			Name: k.String(), Type: "TXT", Value: k.Private.RecordText(), For: "the key that signs",
			check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.dkim(ctx, r, k) },
		})
	}
	if len(out) == 0 {
		out = append(out, &zoneRecord{
			Name: "SELECTOR._domainkey." + z.domain, Type: "TXT", For: "the key that signs: posthaste dkim generate " + z.domain + " makes one",
			check: func(_ context.Context, _ *dnsChecker, r *zoneRecord) error { r.Status = recordMissing; return nil },
		})
	}
	return out
}

// text is a TXT record of which the tag at the start is all that it must have in common with what is there.
func (z *zoneOf) text(prefix, value, what, tag string, optional bool) *zoneRecord {
	return &zoneRecord{
		Name: prefix + z.domain, Type: "TXT", Value: value, For: what, Optional: optional,
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.tagged(ctx, r, tag, "") },
	}
}

// sts is there if [autoconfig] serves the policy: without it the record would only do harm.
func (z *zoneOf) sts() []*zoneRecord {
	s := autoconfigSettings(z.cfg)
	if s.STS == nil || !slices.Contains(s.Domains, z.domain) {
		return nil
	}
	id := "id=" + s.STS.ID()
	r := z.text("_mta-sts.", "v=STSv1; "+id, "there is an MTA-STS policy", "v=STSv1", false)
	r.check = func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.tagged(ctx, r, "v=STSv1", id) }
	return []*zoneRecord{r, z.alias("mta-sts.", "where the policy is", false)}
}

// serviceNames are those of RFC 6186 and RFC 8314, by protocol and whether TLS is implicit.
var serviceNames = []struct {
	name     string
	protocol autoconfig.Protocol
	implicit bool
}{
	{"_imaps._tcp.", autoconfig.IMAP, true}, {"_imap._tcp.", autoconfig.IMAP, false},
	{"_pop3s._tcp.", autoconfig.POP3, true}, {"_pop3._tcp.", autoconfig.POP3, false},
	{"_submissions._tcp.", autoconfig.Submission, true}, {"_submission._tcp.", autoconfig.Submission, false},
}

// services tells programs where to read and send mail, and with "." what there is not.
func (z *zoneOf) services() (out []*zoneRecord) {
	offered := servicesOf(z.cfg)
	if len(offered) == 0 {
		return nil
	}
	for _, n := range serviceNames {
		target, port, what := ".", 0, "is not offered"
		for _, s := range offered {
			if s.Protocol == n.protocol && s.Implicit == n.implicit {
				target, port, what = strings.ToLower(s.Host)+".", int(s.Port), "is found by mail programs"
				break
			}
		}
		weight := min(port, 1)
		out = append(out, z.service(n.name, fmt.Sprintf("0 %d %d %s", weight, port, target), target, port, what))
	}
	return out
}

func (z *zoneOf) service(prefix, value, target string, port int, what string) *zoneRecord {
	name, _, _ := strings.Cut(strings.TrimPrefix(prefix, "_"), ".")
	return &zoneRecord{
		Name: prefix + z.domain, Type: "SRV", Value: value, For: name + " " + what, Optional: true,
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.service(ctx, r, target, port) },
	}
}

// guides lead mail programs to [autoconfig].
func (z *zoneOf) guides() (out []*zoneRecord) {
	a := &z.cfg.Autoconfig
	if !a.on() || !slices.Contains(autoconfigSettings(z.cfg).Domains, z.domain) {
		return nil
	}
	out = append(out, z.alias("autoconfig.", "where Thunderbird and others ask", true))
	if a.Address != "" {
		out = append(out, z.alias("autodiscover.", "where Outlook asks", true),
			z.service("_autodiscover._tcp.", "0 1 443 "+strings.ToLower(a.Host)+".", strings.ToLower(a.Host)+".", 443, "leads there too"))
	}
	return out
}

// alias is a name that leads to this server, by whatever record.
func (z *zoneOf) alias(prefix, what string, optional bool) *zoneRecord {
	host := strings.ToLower(z.cfg.Autoconfig.Host)
	return &zoneRecord{
		Name: prefix + z.domain, Type: "CNAME", Value: host + ".", For: what, Optional: optional,
		check: func(ctx context.Context, c *dnsChecker, r *zoneRecord) error { return c.alias(ctx, r, host) },
	}
}

// reverseName returns the name of an address in the reverse zones (RFC 1035 3.5, RFC 3596 2.5).
func reverseName(a netip.Addr) string {
	var b strings.Builder
	bytes := a.AsSlice()
	slices.Reverse(bytes)
	for _, octet := range bytes {
		if a.Is4() {
			b.WriteString(strconv.Itoa(int(octet)) + ".")
		} else {
			fmt.Fprintf(&b, "%x.%x.", octet&15, octet>>4)
		}
	}
	return b.String() + map[bool]string{true: "in-addr.arpa", false: "ip6.arpa"}[a.Is4()]
}

// signingKeys loads the keys of a domain that are not retired.
func signingKeys(cfg *Config, pos *Positions, domain string) (out []*dkim.Key, err error) {
	folder, err := readKeyFolder(cfg.DKIM.Dir)
	if err != nil {
		return nil, configError(err)
	}
	for _, k := range dkimKeys(cfg, pos, folder) {
		if k.Domain != domain || k.state(time.Now()) == dkim.Retired {
			continue
		}
		key, err := k.load()
		if err != nil {
			return nil, configError(err)
		}
		out = append(out, key)
	}
	return out, nil
}

// hostAddrs returns the addresses of this server in the DNS; none if it has none or nobody answers.
func hostAddrs(ctx context.Context, dns *resolver.Resolver, host string) []netip.Addr {
	addrs, err := dns.LookupIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return addrs
}
