package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// dkimCmd is `posthaste dkim`.
type dkimCmd struct {
	Generate dkimGenerateCmd `cmd:"" help:"Make keys for a domain and print the records to publish."`
	List     dkimListCmd     `cmd:"" help:"List the keys."`
	Show     dkimShowCmd     `cmd:"" help:"Show what signs the mail from a domain."`
	Record   dkimRecordCmd   `cmd:"" help:"Print the DNS records of a domain's keys."`
	Check    dkimCheckCmd    `cmd:"" help:"Compare the records in the DNS with the keys."`
	Activate dkimActivateCmd `cmd:"" help:"Sign with a domain's new keys, once their records are in the DNS."`
	Rotate   dkimRotateCmd   `cmd:"" help:"Replace a domain's keys: makes new ones; when run again, activates them."`
	Retire   dkimRetireCmd   `cmd:"" help:"Take a key out of use."`
	Remove   dkimRemoveCmd   `cmd:"" help:"Delete a key that is not in use, with its file."`
}

// Help is the long help.
func (dkimCmd) Help() string {
	return `Keys are files in the key folder (dkim.dir of the configuration), beside keys.toml with their
states: pending (made, does not sign yet), active, retiring (an active one has taken its place; its
record has to stay until it is retired, for mail on its way), retired. A running daemon reads the keys
again after each change. Nothing is published: the records are yours to put into the DNS.

Exit codes: 0 done, 1 a record is missing or wrong, 64 the command line is wrong, 75 the DNS does not
answer now, 78 the configuration or a key is wrong.

Examples:
  posthaste dkim generate example.com        # prints the record; publish it
  posthaste dkim check example.com           # is it there?
  posthaste dkim activate example.com        # from now on mail is signed
  posthaste dkim rotate example.com          # a year later: once, publish, and once again`
}

// dkimFlags are common to the commands on keys.
type dkimFlags struct {
	controlFlags
	JSON bool `help:"Print JSON."`
}

// keyStore is what a command on keys works with.
type keyStore struct {
	cfg  *Config
	pos  *Positions
	keys []knownKey
	now  time.Time
}

// open reads the configuration and the keys' states.
func (f *dkimFlags) open() (*keyStore, error) {
	s := &keyStore{now: time.Now(), pos: &Positions{File: "defaults"}}
	file := f.Config
	if file == "" && exists(defaultConfigFile) {
		file = defaultConfigFile
	}
	var err error
	if file == "" {
		s.cfg = DefaultConfig()
		s.cfg.complete()
	} else if s.cfg, s.pos, err = LoadConfig(file); err != nil {
		return nil, configError(err)
	}
	folder, err := readKeyFolder(s.cfg.DKIM.Dir)
	if err != nil {
		return nil, configError(err)
	}
	s.keys = dkimKeys(s.cfg, s.pos, folder)
	return s, nil
}

// of returns the keys of a domain, and of a selector unless that is "".
func (s *keyStore) of(domain, selector string) []*knownKey {
	var found []*knownKey
	for i := range s.keys {
		if k := &s.keys[i]; k.Domain == domain && (selector == "" || k.Selector == selector) {
			found = append(found, k)
		}
	}
	return found
}

// openFor is open for a command about one domain, which it returns in the form that keys have.
func (f *dkimFlags) openFor(arg string) (s *keyStore, domain string, err error) {
	if domain, err = domainArg(arg); err == nil {
		s, err = f.open()
	}
	return s, domain, err
}

// find is of, or the error that there is none.
func (s *keyStore) find(domain, selector string) ([]*knownKey, error) {
	found := s.of(domain, selector)
	switch {
	case len(found) > 0:
		return found, nil
	case selector != "":
		return nil, withCode(exitUsage, fmt.Errorf("%s has no key with the selector %s", domain, selector))
	default:
		return nil, withCode(exitUsage, fmt.Errorf("%s has no key: posthaste dkim generate %s makes one", domain, domain))
	}
}

// one returns a domain's only key in one of some states; of several the selector has to say which.
func (s *keyStore) one(domain, selector string, states ...dkim.State) (*knownKey, error) {
	found, err := s.find(domain, selector)
	if err != nil {
		return nil, err
	}
	if selector == "" {
		found = slices.DeleteFunc(found, func(k *knownKey) bool { return !slices.Contains(states, k.state(s.now)) })
	}
	if len(found) != 1 {
		return nil, withCode(exitUsage, fmt.Errorf("%s has %d such keys: say which with --selector", domain, len(found)))
	}
	if k := found[0]; !k.managed {
		return nil, withCode(exitUsage, fmt.Errorf("the state of %s is set at %s: change it there", k.name(), k.pos.Where(k.key)))
	}
	return found[0], nil
}

// change alters the folder's keys. What the daemon would not take is not written.
func (s *keyStore) change(change func(*keyFolder) error) error {
	err := changeKeyFolder(s.cfg.DKIM.Dir, func(folder *keyFolder) error {
		if err := change(folder); err != nil {
			return err
		}
		_, err := keyringOf(s.cfg, s.pos, dkimKeys(s.cfg, s.pos, folder))
		return err
	})
	var marked exitError
	if err == nil || errors.As(err, &marked) {
		return err
	}
	return configError(err)
}

// tellDaemon has a running daemon read the keys, once they have changed.
func (f *dkimFlags) tellDaemon(p process) error {
	err := f.ask(func(ctx context.Context, daemon *admin.Client) error {
		_, err := daemon.Reload(ctx)
		return err
	})
	switch {
	case errors.Is(err, admin.ErrNotRunning):
		fmt.Fprintln(p.stderr, "posthaste: the daemon is not running; it reads the keys when it starts")
		return nil
	case err != nil:
		return withCode(codeOf(err), fmt.Errorf("the keys are written, but the daemon did not take its configuration and goes on with the old ones: %w", err))
	}
	return nil
}

// domainArg reads a domain of the command line as it is written in the DNS.
func domainArg(s string) (string, error) {
	d, err := message.ParseDomain(strings.TrimSuffix(s, "."), true)
	if err != nil || d[0] == '[' {
		return "", withCode(exitUsage, fmt.Errorf("%s is no domain", printable(s)))
	}
	return d, nil
}

// span is a length of time on the command line, where days are handy.
type span struct{ time.Duration }

// UnmarshalText reads "7d" or a Go duration.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		text = []byte(days + "h")
		if err := s.UnmarshalText(text); err != nil {
			return err
		}
		s.Duration *= 24
		return nil
	}
	var err error
	if s.Duration, err = time.ParseDuration(string(text)); err != nil || s.Duration < 0 {
		return fmt.Errorf(`%q is not a length of time (such as "7d" or "36h")`, text)
	}
	return nil
}
