package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/resolver"
)

// dkimCheckCmd is `posthaste dkim check`.
type dkimCheckCmd struct {
	dkimFlags
	Domain string `arg:"" optional:"" help:"Only this domain's."`
}

// Help is the long help.
func (dkimCheckCmd) Help() string {
	return `Looks up the record of every key that is not retired and compares it with the key, asking the
name servers of the configuration.

Examples:
  posthaste dkim check
  posthaste dkim check example.com || echo not yet`
}

// checkedKey is what came of one key's check.
type checkedKey struct {
	Name     string   `json:"record_name"`
	State    string   `json:"state"`
	OK       bool     `json:"ok"`
	Problem  string   `json:"problem,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	err      error
}

// Run checks the records.
func (c *dkimCheckCmd) Run(p process) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	found := make([]*knownKey, 0, len(s.keys))
	for i := range s.keys {
		found = append(found, &s.keys[i])
	}
	if c.Domain != "" {
		domain, err := domainArg(c.Domain)
		if err != nil {
			return err
		}
		if found, err = s.find(domain, ""); err != nil {
			return err
		}
	}
	results, err := s.check(found)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := json.NewEncoder(p.stdout).Encode(results); err != nil {
			return err
		}
	} else {
		printChecks(p, results)
	}
	if code := codeOfChecks(results); code != exitOK {
		return withCode(code, errors.New(""))
	}
	return nil
}

func printChecks(p process, results []checkedKey) {
	for _, r := range results {
		verdict := "ok"
		if !r.OK {
			verdict = printable(r.Problem)
		}
		fmt.Fprintf(p.stdout, "%s (%s): %s\n", r.Name, r.State, verdict)
		for _, w := range r.Warnings {
			fmt.Fprintf(p.stdout, "  warning: %s\n", w)
		}
	}
}

// codeOfChecks tells a record that is wrong from a DNS that does not answer.
func codeOfChecks(results []checkedKey) int {
	code := exitOK
	for _, r := range results {
		switch {
		case r.OK:
		case errors.Is(r.err, dkim.ErrTemporary) && code == exitOK:
			code = exitTempFail
		case !errors.Is(r.err, dkim.ErrTemporary):
			code = exitNo
		}
	}
	return code
}

// checkPatience bounds one look-up, all attempts of the resolver included.
const checkPatience = 30 * time.Second

// check looks up the records of keys that are not retired. It asks anew: a daemon may still remember that there was
// none.
func (s *keyStore) check(keys []*knownKey) ([]checkedKey, error) {
	r, err := resolver.New(resolverConfig(s.cfg))
	if err != nil {
		return nil, withCode(exitUnavailable, err)
	}
	defer r.Close()
	results := []checkedKey{}
	for _, k := range keys {
		if k.state(s.now) != dkim.Retired {
			results = append(results, s.checkOne(r, k))
		}
	}
	return results, nil
}

func (s *keyStore) checkOne(dns dkim.TXTResolver, k *knownKey) checkedKey {
	c := checkedKey{Name: k.name(), State: k.state(s.now).String()}
	key, err := k.load()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
		defer cancel()
		c.Warnings, err = dkim.Check(ctx, dns, key)
	}
	if info, statErr := os.Stat(k.path); statErr == nil && info.Mode()&0o007 != 0 {
		c.Warnings = append(c.Warnings, k.path+" can be read or written by everybody on this machine: chmod o= it")
	}
	c.OK, c.err = err == nil, err
	if err != nil {
		c.Problem = strings.TrimPrefix(err.Error(), "dkim: ")
	}
	return c
}
