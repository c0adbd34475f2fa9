package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// dkimActivateCmd is `posthaste dkim activate`.
type dkimActivateCmd struct {
	dkimFlags
	activation
	Domain   string `arg:"" help:"The domain."`
	Selector string `short:"s" help:"Only this key; default: all pending ones of the domain."`
}

// activation is how a key takes the place of another one.
type activation struct {
	Force   bool `help:"Activate although the record is not in the DNS, or is wrong."`
	Overlap span `default:"7d" placeholder:"7d" help:"How long the record of the key before has to stay (default 7d)."`
}

// Help is the long help.
func (dkimActivateCmd) Help() string {
	return `The records are looked up first; when one is missing or wrong, nothing changes. The key of the same
kind that was active until now is retiring for the overlap: its record has to stay so long in the
DNS, for mail that is still on its way.

Examples:
  posthaste dkim activate example.com
  posthaste dkim activate example.com --selector mail2026 --overlap 14d`
}

// Run activates keys.
func (c *dkimActivateCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	found, err := s.find(domain, c.Selector)
	if err != nil {
		return err
	}
	if c.Selector == "" {
		found = slices.DeleteFunc(found, func(k *knownKey) bool { return k.state(s.now) != dkim.Pending || !k.managed })
		if len(found) == 0 {
			return withCode(exitUsage, fmt.Errorf("%s has no pending key: posthaste dkim rotate %s makes one", domain, domain))
		}
	} else if _, err := s.one(domain, c.Selector); err != nil {
		return err
	}
	return c.dkimFlags.activate(p, s, found, c.activation)
}

// activate checks the records of keys and lets the keys sign.
func (f *dkimFlags) activate(p process, s *keyStore, keys []*knownKey, how activation) error {
	if queued := s.cfg.Retry.Expire; how.Overlap.Duration < queued.Duration {
		fmt.Fprintf(p.stderr, "posthaste: warning: the overlap is shorter than mail may wait in the queue (retry.expire, %s)\n", queued)
	}
	results, err := s.check(keys)
	if err != nil {
		return err
	}
	if !f.JSON {
		printChecks(p, results)
	}
	if code := codeOfChecks(results); code != exitOK && !how.Force {
		if f.JSON {
			_ = json.NewEncoder(p.stdout).Encode(results)
		}
		return withCode(code, errors.New("nothing was changed: publish the records, or say --force"))
	}
	var changed []DKIMKey
	err = s.change(func(folder *keyFolder) error {
		changed, err = folder.activate(keys, s.now.Add(how.Overlap.Duration))
		return err
	})
	if err != nil {
		return err
	}
	told := f.tellDaemon(p)
	if f.JSON {
		return errors.Join(json.NewEncoder(p.stdout).Encode(statesOf(changed)), told)
	}
	for _, k := range changed {
		fmt.Fprintf(p.stdout, "%s is %s", k.name(), k.State)
		if k.State == dkim.Retiring.String() {
			fmt.Fprintf(p.stdout, ": leave its record in the DNS until %s", k.Until)
		}
		fmt.Fprintln(p.stdout)
	}
	return told
}

// keyState is a key whose state has changed.
type keyState struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	State    string `json:"state"`
	Until    string `json:"until,omitempty"`
}

func statesOf(keys []DKIMKey) []keyState {
	out := []keyState{}
	for _, k := range keys {
		out = append(out, keyState{k.Domain, k.Selector, k.State, k.Until.String()})
	}
	return out
}

// activate makes keys active, and those retiring whose place they take. It returns what has changed.
func (f *keyFolder) activate(keys []*knownKey, until time.Time) (changed []DKIMKey, err error) {
	for _, k := range keys {
		kind, err := k.load()
		if err != nil {
			return nil, err
		}
		found := false
		for i := range f.keys {
			entry := &f.keys[i]
			switch {
			case entry.Domain != k.Domain:
			case entry.Selector == k.Selector:
				found = true
				entry.State, entry.Until = dkim.Active.String(), Moment{}
				changed = append(changed, *entry)
			case entry.State == dkim.Active.String() && f.kindOf(entry) == kind.Private.Algorithm():
				entry.State, entry.Until = dkim.Retiring.String(), Moment{until.Truncate(time.Second)}
				changed = append(changed, *entry)
			}
		}
		if !found {
			return nil, fmt.Errorf("dkim: %s is gone from %s", k.name(), f.pos.File)
		}
	}
	return changed, nil
}

// kindOf returns the algorithm of an entry's key; 0 if it does not load.
func (f *keyFolder) kindOf(k *DKIMKey) dkim.Algorithm {
	known := knownKey{DKIMKey: *k, path: f.path(k), pos: f.pos}
	key, err := known.load()
	if err != nil {
		return 0
	}
	return key.Private.Algorithm()
}

// dkimRotateCmd is `posthaste dkim rotate`.
type dkimRotateCmd struct {
	dkimFlags
	activation
	Domain string `arg:"" help:"The domain."`
}

// Help is the long help.
func (dkimRotateCmd) Help() string {
	return `Two steps, with the same command. First it makes a key of the same kind for each active one, and
prints the records to publish. When there are pending keys, it activates them, as activate does: the
old ones then are retiring for the overlap.

Examples:
  posthaste dkim rotate example.com               # publish what it prints
  posthaste dkim rotate example.com --overlap 7d  # exit code 1: the records are not there yet`
}

// Run makes the next step of a rotation.
func (c *dkimRotateCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	found, err := s.find(domain, "")
	if err != nil {
		return err
	}
	var pending []*knownKey
	var kinds []string
	bits := 2048
	for _, k := range found {
		switch state := k.state(s.now); {
		case !k.managed && state == dkim.Active:
			return withCode(exitUsage, fmt.Errorf("the state of %s is set at %s: rotate it there", k.name(), k.pos.Where(k.key)))
		case !k.managed:
		case state == dkim.Pending:
			pending = append(pending, k)
		case state == dkim.Active:
			key, err := k.load()
			if err != nil {
				return withCode(exitConfig, err)
			}
			kinds = append(kinds, kindOf(key.Private))
			bits = max(bits, key.Private.Bits())
		}
	}
	switch {
	case len(pending) > 0:
		return c.dkimFlags.activate(p, s, pending, c.activation)
	case len(kinds) == 0:
		return withCode(exitUsage, fmt.Errorf("%s has no active key: posthaste dkim generate %s makes one", domain, domain))
	}
	return c.generate(p, s, domain, "", bits, kinds)
}

// kindOf is the --algorithm that makes a key like this one.
func kindOf(k *dkim.PrivateKey) string {
	switch {
	case k.Algorithm() == dkim.Ed25519:
		return "ed25519"
	case k.Primes() == 3:
		return "rsa3"
	default:
		return "rsa"
	}
}
