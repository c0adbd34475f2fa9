package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// dkimRetireCmd is `posthaste dkim retire`.
type dkimRetireCmd struct {
	dkimFlags
	Domain   string `arg:"" help:"The domain."`
	Selector string `short:"s" help:"Which key; default: the retiring one."`
	Force    bool   `help:"Retire the key although mail then goes unsigned."`
}

// Help is the long help.
func (dkimRetireCmd) Help() string {
	return `The key signs no more, at once. Its record may go from the DNS when no mail is on its way that was
signed with it. A retiring key retires by itself when its time has come.

Example:
  posthaste dkim retire example.com --selector 202608r`
}

// Run retires a key.
func (c *dkimRetireCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	k, err := s.one(domain, c.Selector, dkim.Retiring)
	if err != nil {
		return err
	}
	if k.state(s.now) == dkim.Active && !c.Force && !s.otherActive(k) {
		return withCode(exitUsage, fmt.Errorf("%s is the only active key of %s, whose mail would go unsigned: activate another one before, or say --force", k.name(), domain))
	}
	err = s.change(func(folder *keyFolder) error {
		return folder.edit(k, func(entry *DKIMKey) { entry.State, entry.Until = dkim.Retired.String(), Moment{} })
	})
	if err != nil {
		return err
	}
	told := c.tellDaemon(p)
	if c.JSON {
		return errors.Join(json.NewEncoder(p.stdout).Encode(keyState{k.Domain, k.Selector, dkim.Retired.String(), ""}), told)
	}
	fmt.Fprintf(p.stdout, "%s is retired\n", k.name())
	return told
}

// otherActive tells whether a domain has another key to sign with.
func (s *keyStore) otherActive(k *knownKey) bool {
	return slices.ContainsFunc(s.of(k.Domain, ""), func(other *knownKey) bool {
		return other.Selector != k.Selector && other.state(s.now) == dkim.Active
	})
}

// edit changes the entry of a key.
func (f *keyFolder) edit(k *knownKey, change func(*DKIMKey)) error {
	for i := range f.keys {
		if e := &f.keys[i]; e.Domain == k.Domain && e.Selector == k.Selector {
			change(e)
			return nil
		}
	}
	return fmt.Errorf("dkim: %s is gone from %s", k.name(), f.pos.File)
}

// dkimRemoveCmd is `posthaste dkim remove`.
type dkimRemoveCmd struct {
	dkimFlags
	Domain   string `arg:"" help:"The domain."`
	Selector string `short:"s" required:"" help:"Which key."`
}

// Run removes a key.
func (c *dkimRemoveCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	k, err := s.one(domain, c.Selector)
	if err != nil {
		return err
	}
	if state := k.state(s.now); state == dkim.Active || state == dkim.Retiring {
		return withCode(exitUsage, fmt.Errorf("%s is %s: retire it before", k.name(), state))
	}
	err = s.change(func(folder *keyFolder) error {
		folder.keys = slices.DeleteFunc(folder.keys, func(e DKIMKey) bool { return e.Domain == k.Domain && e.Selector == k.Selector })
		return nil
	})
	if err != nil {
		return err
	}
	told := c.tellDaemon(p)
	// The entry goes before the file: a key that is told of has its file, whatever happens in between.
	if err := os.Remove(k.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return withCode(exitUnavailable, err)
	}
	if c.JSON {
		return errors.Join(json.NewEncoder(p.stdout).Encode(keyState{k.Domain, k.Selector, "removed", ""}), told)
	}
	fmt.Fprintf(p.stdout, "%s and its file are removed\n", k.name())
	return told
}
