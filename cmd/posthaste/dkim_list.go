package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// dkimListCmd is `posthaste dkim list`.
type dkimListCmd struct {
	dkimFlags
	Domain string `arg:"" optional:"" help:"Only this domain's."`
}

// listedKey is a line of the list.
type listedKey struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	State    string `json:"state"`
	Until    string `json:"until,omitempty"` // of a retiring key
	Key      string `json:"key,omitempty"`   // such as rsa-2048
	Engine   string `json:"engine,omitempty"`
	File     string `json:"file"`
	From     string `json:"configured_at"` // file, or file:line
	Managed  bool   `json:"managed"`
	Problem  string `json:"problem,omitempty"`
}

// Run lists the keys.
func (c *dkimListCmd) Run(p process) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	list := []listedKey{}
	for i := range s.keys {
		if k := &s.keys[i]; c.Domain == "" || k.Domain == c.Domain {
			list = append(list, s.listed(k))
		}
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(p.stderr, "posthaste: no keys in", s.cfg.DKIM.Dir, "or the configuration")
		return nil
	}
	return printKeys(p.stdout, list)
}

// listed looks at a key and its file.
func (s *keyStore) listed(k *knownKey) listedKey {
	state := k.state(s.now)
	l := listedKey{Domain: k.Domain, Selector: k.Selector, State: state.String(), File: k.path, From: k.pos.Where(k.key), Managed: k.managed}
	if state == dkim.Retiring {
		l.Until = k.Until.String()
	}
	if key, err := k.load(); err == nil {
		l.Key, l.Engine = key.Private.String(), key.Private.Engine()
	} else if state != dkim.Retired { // whose file may be gone
		l.Problem = err.Error()
	}
	return l
}

func printKeys(out io.Writer, list []listedKey) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "domain\tselector\tkey\tstate\tfile")
	for _, l := range list {
		state := l.State
		if l.Until != "" {
			state += " until " + l.Until
		}
		if l.Key == "" {
			l.Key = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Domain, l.Selector, l.Key, state, l.File)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range list {
		if l.Problem != "" {
			fmt.Fprintln(out, "!", l.Problem)
		}
	}
	return nil
}

// dkimShowCmd is `posthaste dkim show`.
type dkimShowCmd struct {
	dkimFlags
	Domain string `arg:"" help:"The domain of a From field."`
}

// Run shows what would sign.
func (c *dkimShowCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	ring, err := keyringOf(s.cfg, s.pos, s.keys)
	if err != nil {
		return configError(err)
	}
	list := []listedKey{}
	for _, k := range ring.For(domain, s.now) {
		for _, known := range s.of(k.Domain, k.Selector) {
			list = append(list, s.listed(known))
		}
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintf(p.stdout, "mail from %s is not signed: there is no active key for it\n", domain)
	}
	for _, l := range list {
		fmt.Fprintf(p.stdout, "mail from %s is signed with d=%s s=%s: %s by %s, %s\n", domain, l.Domain, l.Selector, l.Key, l.Engine, l.State)
	}
	for _, k := range s.of(domain, "") {
		if k.state(s.now) == dkim.Pending {
			fmt.Fprintf(p.stdout, "s=%s is pending: publish its record, then activate it\n", k.Selector)
		}
	}
	return nil
}

// dkimRecordCmd is `posthaste dkim record`.
type dkimRecordCmd struct {
	dkimFlags
	Domain   string `arg:"" help:"The domain."`
	Selector string `short:"s" help:"Only this key's."`
}

// Help is the long help.
func (dkimRecordCmd) Help() string {
	return `Prints lines of a zone file, for every key of the domain that is not retired.

Example:
  posthaste dkim record example.com >> example.com.zone`
}

// Run prints the records.
func (c *dkimRecordCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	found, err := s.find(domain, c.Selector)
	if err != nil {
		return err
	}
	records := []dnsRecord{}
	for _, k := range found {
		if k.state(s.now) == dkim.Retired {
			continue
		}
		key, err := k.load()
		if err != nil {
			return withCode(exitConfig, err)
		}
		records = append(records, recordOf(k.DKIMKey, key.Private))
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(records)
	}
	for _, r := range records {
		fmt.Fprintln(p.stdout, r.Zone)
	}
	return nil
}
