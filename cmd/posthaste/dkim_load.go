package main

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/relay"
)

// knownKey is a key and where it is told of.
type knownKey struct {
	DKIMKey
	path    string // of the key file
	managed bool   // in the key folder, where the commands may change it
	pos     *Positions
	key     string // of pos, such as "dkim.key[0]"
}

// dkimKeys are those of the configuration, then those of the folder.
func dkimKeys(cfg *Config, pos *Positions, folder *keyFolder) []knownKey {
	var list []knownKey
	for i, k := range cfg.DKIM.Keys {
		list = append(list, knownKey{k, k.File, false, pos, fmt.Sprintf("dkim.key[%d]", i)})
	}
	for i, k := range folder.keys {
		list = append(list, knownKey{k, folder.path(&k), true, folder.pos, fmt.Sprintf("key[%d]", i)})
	}
	return list
}

// fail is an error of the key, by file and line.
func (k *knownKey) fail(key string, err error) ConfigError {
	return keyError(k.pos, k.key+key, errors.New(strings.TrimPrefix(err.Error(), "dkim: ")))
}

// load reads the key file.
func (k *knownKey) load() (*dkim.Key, error) {
	state, err := dkim.ParseState(k.State)
	if err != nil {
		return nil, k.fail(".state", err)
	}
	ring, err := dkim.Load([]dkim.KeyFile{{
		Domain: k.Domain, Selector: k.Selector, Identity: k.Identity, State: state, Until: k.Until.Time, Path: k.path,
	}}, "")
	switch {
	case err == nil:
		return ring.Keys()[0], nil
	case strings.HasPrefix(err.Error(), "dkim: key file "):
		return nil, k.fail(".file", err)
	default:
		return nil, k.fail("", err)
	}
}

// loadSigning makes what the relay signs with of [dkim] and the key folder; nil if there are no keys and none are wanted.
// It tells all that is wrong, by file and line: a key that does not load is never passed over.
func loadSigning(cfg *Config, pos *Positions) (*relay.Signing, error) {
	folder, err := readKeyFolder(cfg.DKIM.Dir)
	if err != nil {
		return nil, err
	}
	return signingOf(cfg, pos, dkimKeys(cfg, pos, folder))
}

func signingOf(cfg *Config, pos *Positions, known []knownKey) (*relay.Signing, error) {
	ring, err := keyringOf(cfg, pos, known)
	if err != nil {
		return nil, err
	}
	if errs := checkRequired(cfg, pos, ring); len(errs) > 0 {
		return nil, errs
	}
	if len(ring.Keys()) == 0 && len(cfg.DKIM.Require) == 0 {
		return nil, nil
	}
	signer, err := dkim.NewSigner(ring, dkim.Options{Expiry: cfg.DKIM.Expiry.Duration, AlsoSign: cfg.DKIM.AlsoSign})
	if err != nil {
		return nil, err
	}
	return &relay.Signing{Signer: signer, Require: policy.NewDomainSet(cfg.DKIM.Require...)}, nil
}

// keyringOf loads all keys but those that are retired, whose files may be gone.
func keyringOf(cfg *Config, pos *Positions, known []knownKey) (*dkim.Keyring, error) {
	known = slices.DeleteFunc(slices.Clone(known), func(k knownKey) bool { return k.state(time.Now()) == dkim.Retired })
	var errs ConfigErrors
	keys := make([]*dkim.Key, 0, len(known))
	for i := range known {
		k, err := known[i].load()
		var fault ConfigError
		if errors.As(err, &fault) {
			errs = append(errs, fault)
		}
		keys = append(keys, k)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	ring, err := dkim.NewKeyring(keys, "")
	if err != nil { // with another key; it is the first one without which all would be well
		n := sort.Search(len(keys), func(n int) bool {
			_, err := dkim.NewKeyring(keys[:n+1], "")
			return err != nil
		})
		_, err = dkim.NewKeyring(keys[:n+1], "")
		return nil, ConfigErrors{known[n].fail("", err)}
	}
	if cfg.DKIM.Provider == "" {
		return ring, nil
	}
	if ring, err = dkim.NewKeyring(keys, cfg.DKIM.Provider); err != nil {
		return nil, ConfigErrors{keyError(pos, "dkim.provider", errors.New(strings.TrimPrefix(err.Error(), "dkim: ")))}
	}
	return ring, nil
}

// checkRequired wants a key for each domain whose mail must not go unsigned. Of what is below a ".suffix" only the mail
// itself can tell.
func checkRequired(cfg *Config, pos *Positions, ring *dkim.Keyring) (errs ConfigErrors) {
	for _, domain := range cfg.DKIM.Require {
		signs := func(k *dkim.Key) bool { return k.Domain == domain || strings.HasSuffix(domain, "."+k.Domain) }
		if !strings.HasPrefix(domain, ".") && !slices.ContainsFunc(ring.For(domain, time.Now()), signs) {
			errs = append(errs, keyError(pos, "dkim.require", fmt.Errorf("%s has no active key: all its mail would be refused", domain)))
		}
	}
	return errs
}
