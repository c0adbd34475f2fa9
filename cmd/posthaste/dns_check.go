package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/resolver"
)

// dnsChecker compares records with what the name servers say. Its methods fill Status, Found and Problem; the error is that of
// a look-up that nobody answered, or of a name that is not there.
type dnsChecker struct {
	dns *resolver.Resolver
	spf *inbound.Checker
}

// maxChecks bounds the look-ups at the same time.
const maxChecks = 8

// checkAll checks all records.
func (c *dnsChecker) checkAll(ctx context.Context, records []*zoneRecord) {
	var group errgroup.Group
	group.SetLimit(maxChecks)
	for _, r := range records {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, checkPatience)
			defer cancel()
			r.settle(r.check(ctx, c, r))
			return nil
		})
	}
	_ = group.Wait() // none returns an error
}

// settle takes the error of a check.
func (r *zoneRecord) settle(err error) {
	var fault *net.DNSError
	switch {
	case err == nil:
	case errors.As(err, &fault) && fault.IsNotFound:
		r.Status = recordMissing
	default:
		r.Status, r.Problem = recordUnknown, err.Error()
	}
}

// verdict sets what is there: nothing, the right thing or another.
func (r *zoneRecord) verdict(found []string, right bool, problem string) {
	switch {
	case len(found) == 0:
		r.Status = recordMissing
	case right:
		r.Status = recordOK
	default:
		r.Status, r.Found, r.Problem = recordDifferent, found, problem
	}
}

func (c *dnsChecker) mx(ctx context.Context, r *zoneRecord, host string, local bool) error {
	list, err := c.dns.LookupMX(ctx, r.Name)
	if err != nil {
		return err
	}
	var found []string
	right := !local // whose mail comes here is for its owner to say
	for _, mx := range list {
		found = append(found, fmt.Sprintf("%d %s", mx.Pref, mx.Host))
		right = right || mx.Host == host+"."
	}
	r.verdict(found, right, "mail for the domain goes elsewhere")
	return nil
}

func (c *dnsChecker) host(ctx context.Context, r *zoneRecord) error {
	addrs, err := c.dns.LookupIP(ctx, "ip", r.Name)
	if err != nil {
		return err
	}
	var found []string
	for _, a := range addrs {
		found = append(found, a.String())
	}
	r.verdict(found, true, "")
	return nil
}

func (c *dnsChecker) reverse(ctx context.Context, r *zoneRecord, s sender) error {
	names, err := c.dns.LookupAddr(ctx, s.addr)
	if err != nil {
		return err
	}
	if !slices.Contains(names, s.name) {
		r.verdict(names, false, "the address has another name")
		return nil
	}
	back, err := c.dns.LookupIP(ctx, "ip", s.name)
	if err != nil {
		return err
	}
	r.verdict(names, slices.Contains(back, s.addr), s.name+" does not have the address")
	return nil
}

// checkSPF has the record there evaluated as receivers do, for each address that mail is known to leave from.
func (c *dnsChecker) checkSPF(ctx context.Context, r *zoneRecord, z *zoneOf, hosts []netip.Addr) error {
	found, err := c.texts(ctx, r.Name, "v=spf1")
	if err != nil || len(found) == 0 {
		r.verdict(found, false, "")
		return err
	}
	if len(found) > 1 {
		r.verdict(found, false, "of several records none counts")
		return nil
	}
	if z.cfg.SmartHost != "" {
		r.verdict(found, true, "") // whether it names the provider, only the provider knows
		return nil
	}
	addrs := slices.Clone(hosts)
	for _, s := range z.senders {
		addrs = append(addrs, s.addr)
	}
	for _, a := range addrs {
		got := c.spf.SPF(ctx, inbound.Session{Addr: a, HELO: z.hostname(), MailFrom: "postmaster@" + z.domain})
		switch {
		case got.Value == inbound.TempError:
			return errors.New(got.Reason)
		case got.Value != inbound.Pass:
			r.verdict(found, false, fmt.Sprintf("it gives mail from %s %s %s", a, got.Value, got.Reason))
			return nil
		}
	}
	r.verdict(found, true, "")
	return nil
}

func (c *dnsChecker) dkim(ctx context.Context, r *zoneRecord, k *dkim.Key) error {
	_, err := dkim.Check(ctx, c.dns, k)
	switch {
	case err == nil:
		r.Status = recordOK
	case errors.Is(err, dkim.ErrNoRecord):
		r.Status = recordMissing
	case errors.Is(err, dkim.ErrTemporary):
		return err
	default:
		r.Status, r.Problem = recordDifferent, strings.TrimPrefix(err.Error(), "dkim: ")
	}
	return nil
}

// tagged looks for the one text with a tag, and with something else in it unless that is "".
func (c *dnsChecker) tagged(ctx context.Context, r *zoneRecord, tag, also string) error {
	found, err := c.texts(ctx, r.Name, tag)
	if err != nil {
		return err
	}
	switch {
	case len(found) > 1:
		r.verdict(found, false, "of several records none counts")
	case len(found) == 1 && !strings.Contains(found[0], also):
		r.verdict(found, false, "it is of an older policy, which senders keep until it changes")
	default:
		r.verdict(found, true, "")
	}
	return nil
}

// texts returns the TXT records that begin with a tag.
func (c *dnsChecker) texts(ctx context.Context, name, tag string) (found []string, err error) {
	all, err := c.dns.LookupTXT(ctx, name)
	for _, t := range all {
		if len(t) >= len(tag) && strings.EqualFold(t[:len(tag)], tag) {
			found = append(found, t)
		}
	}
	return found, err
}

func (c *dnsChecker) service(ctx context.Context, r *zoneRecord, target string, port int) error {
	list, err := c.dns.LookupSRV(ctx, r.Name)
	if err != nil {
		return err
	}
	var found []string
	right := false
	for _, s := range list {
		found = append(found, fmt.Sprintf("%d %d %d %s", s.Priority, s.Weight, s.Port, s.Target))
		right = right || s.Target == target && (int(s.Port) == port || target == ".")
	}
	r.verdict(found, right, "")
	return nil
}

// alias is right if the name leads to an address of the host.
func (c *dnsChecker) alias(ctx context.Context, r *zoneRecord, host string) error {
	there, err := c.dns.LookupIP(ctx, "ip", r.Name)
	if err != nil {
		return err
	}
	here, err := c.dns.LookupIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	var found []string
	right := false
	for _, a := range there {
		found = append(found, a.String())
		right = right || slices.Contains(here, a)
	}
	r.verdict(found, right, "it leads to another address than "+host)
	return nil
}

// codeOfRecords tells a record that is wrong from a DNS that does not answer. What is optional may be missing, not wrong.
func codeOfRecords(records []*zoneRecord) int {
	code := exitOK
	for _, r := range records {
		switch {
		case r.Status == recordDifferent, r.Status == recordMissing && !r.Optional:
			return exitNo
		case r.Status == recordUnknown:
			code = exitTempFail
		}
	}
	return code
}
