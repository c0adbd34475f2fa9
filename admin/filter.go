package admin

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// maxFilterIDs bounds the IDs of one filter.
const maxFilterIDs = 1000

// Filter is the operators' filter grammar, the same on the command line (its tags are kong's) and in
// the control API's query. Everything given must match; the zero Filter matches all.
type Filter struct {
	Domain    string   `name:"domain" placeholder:"DOMAIN" help:"Recipients at this domain."`
	Site      string   `name:"site" placeholder:"SITE" help:"Recipients at any domain behind this receiving system."`
	Sender    string   `name:"sender" placeholder:"ADDR" help:"Messages from this address, or @domain; <> is the null sender."`
	Recipient string   `name:"rcpt" placeholder:"ADDR" help:"This recipient, or all at @domain."`
	IDs       []string `name:"id" placeholder:"ID" help:"These messages (may be repeated)."`
	Older     Age      `name:"older" placeholder:"AGE" help:"Messages that arrived longer ago than this: 90m, 36h, 3d."`
	Tenant    string   `name:"tenant" placeholder:"NAME" help:"Messages of this tenant."`
	Held      bool     `name:"held" help:"Only what is held."`
}

// Empty tells whether the filter matches everything.
func (f Filter) Empty() bool {
	return f.Domain == "" && f.Site == "" && f.Sender == "" && f.Recipient == "" &&
		len(f.IDs) == 0 && f.Older == 0 && f.Tenant == "" && !f.Held
}

// values is the filter as the query of a request.
func (f Filter) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"domain": f.Domain, "site": f.Site, "sender": f.Sender, "rcpt": f.Recipient, "tenant": f.Tenant,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if f.Older != 0 {
		v.Set("older", f.Older.String())
	}
	if f.Held {
		v.Set("held", "true")
	}
	for _, id := range f.IDs {
		v.Add("id", id)
	}
	return v
}

// filterFrom reads a filter from a query. Names it does not know are an error, for a filter that is
// misspelt would match more than was meant; those in others belong to the request.
func filterFrom(v url.Values, others ...string) (Filter, error) {
	var f Filter
	for name, values := range v {
		var err error
		switch name {
		case "domain":
			f.Domain, err = one(values)
		case "site":
			f.Site, err = one(values)
		case "sender":
			f.Sender, err = one(values)
		case "rcpt":
			f.Recipient, err = one(values)
		case "tenant":
			f.Tenant, err = one(values)
		case "id":
			f.IDs = values
		case "held":
			if f.Held = len(values) == 1 && values[0] == "true"; !f.Held {
				err = errors.New("want true")
			}
		case "older":
			var s string
			if s, err = one(values); err == nil {
				err = f.Older.UnmarshalText([]byte(s))
			}
		default:
			if !contains(others, name) {
				err = errors.New("no such filter")
			}
		}
		if err != nil {
			return Filter{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

func one(values []string) (string, error) {
	if len(values) != 1 || values[0] == "" {
		return "", errors.New("want one value")
	}
	return values[0], nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// errNoSuchSite is returned for a site that the relay has no mail for.
var errNoSuchSite = errors.New("no mail is known for this site")

// queueFilter checks the filter and puts it in the queue's terms: domains in the form that it keys
// by, a site as its domains.
func (f Filter) queueFilter(siteDomains func(string) []string) (queue.Filter, error) {
	q := queue.Filter{Tenant: f.Tenant, Older: time.Duration(f.Older)}
	if f.Held {
		q.Held = &f.Held
	}
	var err error
	if f.Domain != "" {
		if q.Domain, err = message.ParseDomain(f.Domain, true); err != nil {
			return q, fmt.Errorf("domain: %w", err)
		}
	}
	if f.Site != "" {
		if q.Domains = siteDomains(f.Site); len(q.Domains) == 0 {
			return q, fmt.Errorf("site: %w", errNoSuchSite)
		}
	}
	if q.Sender, err = addressFilter(f.Sender); err != nil {
		return q, fmt.Errorf("sender: %w", err)
	}
	if q.Recipient, err = addressFilter(f.Recipient); err != nil {
		return q, fmt.Errorf("rcpt: %w", err)
	}
	if len(f.IDs) > maxFilterIDs {
		return q, fmt.Errorf("id: more than %d", maxFilterIDs)
	}
	for _, s := range f.IDs {
		id, err := message.ParseID(s)
		if err != nil {
			return q, fmt.Errorf("id %.20q: %w", s, err)
		}
		q.IDs = append(q.IDs, id)
	}
	return q, nil
}

// addressFilter checks an address, "@domain" or "<>". The local part stays as given: only its host
// knows whether case matters.
func addressFilter(s string) (string, error) {
	domain, ok := strings.CutPrefix(s, "@")
	if ok {
		domain, err := message.ParseDomain(domain, true)
		return "@" + domain, err
	}
	if s != "" && s != "<>" && !strings.Contains(s, "@") {
		return "", errors.New("want an address, @domain or <>")
	}
	return s, nil
}

// Age is a span that may be given in days.
type Age time.Duration

// String returns the age in a form that UnmarshalText reads.
func (a Age) String() string { return time.Duration(a).String() }

// UnmarshalText reads Go's durations, also with days in front: 90m, 36h, 3d, 1d12h.
func (a *Age) UnmarshalText(b []byte) error {
	s := string(b)
	var days time.Duration
	if n, rest, ok := strings.Cut(s, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not an age such as 90m, 36h or 3d", s)
		}
		days, s = time.Duration(v)*24*time.Hour, rest
	}
	var d time.Duration
	if s != "" || days == 0 {
		var err error
		if d, err = time.ParseDuration(s); err != nil || d < 0 {
			return fmt.Errorf("%q is not an age such as 90m, 36h or 3d", string(b))
		}
	}
	if days+d < 0 {
		return fmt.Errorf("%q is too long", string(b))
	}
	*a = Age(days + d)
	return nil
}
