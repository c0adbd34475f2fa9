package dkim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// State is where a key stands in its life.
type State byte

// A key goes through these in order.
const (
	Pending  State = iota + 1 // made, its record not yet seen in the DNS; does not sign
	Active                    // signs
	Retiring                  // signs only for want of an active one; its record stays until Until, for mail on its way
	Retired                   // does not sign; its record may go
)

var stateNames = [...]string{Pending: "pending", Active: "active", Retiring: "retiring", Retired: "retired"}

// String returns the name of the state as in the configuration.
func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", byte(s))
}

// ParseState reads the name of a state.
func ParseState(s string) (State, error) {
	for i, name := range stateNames {
		if s != "" && s == name {
			return State(i), nil
		}
	}
	return 0, fmt.Errorf("dkim: state %q is none of pending, active, retiring, retired", s)
}

// Key is a private key and the name under which its public half is published.
type Key struct {
	Domain   string // d=, lower case, A-labels
	Selector string // s=, as Domain
	Identity string // i=, optional; at Domain or below
	State    State
	Until    time.Time // of a retiring key: when it is retired
	Private  *PrivateKey
}

// String returns the name of the key's record without the domain's root dot.
func (k *Key) String() string { return k.Selector + "._domainkey." + k.Domain }

// KeyFile is a key as the configuration tells of it.
type KeyFile struct {
	Domain, Selector string // U-labels are taken too
	Identity         string
	State            State
	Until            time.Time
	Path             string // PEM, or the base64 of an Ed25519 seed
}

// Keyring is a set of keys that does not change. A nil Keyring has no key.
type Keyring struct {
	byDomain map[string][]*Key
	keys     []*Key
	provider string
}

// maxKeyFile bounds what is read of a key file; a key of 4,096 bits takes 3.3 KB.
const maxKeyFile = 64 << 10

// Load reads the key files and makes a keyring of them, or returns all that is wrong with them, file
// by file. provider is the domain whose keys sign every message besides, "" for none.
func Load(files []KeyFile, provider string) (*Keyring, error) {
	keys := make([]*Key, 0, len(files))
	var faults []error
	for _, f := range files {
		k, err := loadKey(f)
		if err != nil {
			faults = append(faults, fmt.Errorf("dkim: key file %s: %w", f.Path, err))
			continue
		}
		keys = append(keys, k)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return NewKeyring(keys, provider)
}

func loadKey(f KeyFile) (*Key, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, reason(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("longer than %d bytes, which is no key", maxKeyFile)
	}
	private, err := ParsePrivateKey(data)
	if err != nil {
		return nil, err
	}
	return &Key{Domain: f.Domain, Selector: f.Selector, Identity: f.Identity, State: f.State, Until: f.Until, Private: private}, nil
}

// reason returns an error of a file without its name, which the caller says.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// NewKeyring checks the keys against each other and makes a keyring of copies of them. provider is
// the domain whose keys sign every message besides, "" for none.
func NewKeyring(keys []*Key, provider string) (*Keyring, error) {
	r := &Keyring{byDomain: make(map[string][]*Key)}
	var faults []error
	for _, given := range keys {
		k := *given
		err := k.normalise()
		if err == nil {
			err = r.conflict(&k)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("dkim: key %s: %w", given, err))
			continue
		}
		r.keys = append(r.keys, &k)
		r.byDomain[k.Domain] = append(r.byDomain[k.Domain], &k)
	}
	if provider != "" {
		var err error
		if r.provider, err = parseName(provider); err != nil {
			faults = append(faults, fmt.Errorf("dkim: provider's domain %q: %w", provider, err))
		} else if len(faults) == 0 && len(r.byDomain[r.provider]) == 0 {
			faults = append(faults, fmt.Errorf("dkim: provider's domain %s has no key", r.provider))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return r, nil
}

// Keys returns the keys in the order in which they were given. They are not to be changed.
func (r *Keyring) Keys() []*Key {
	if r == nil {
		return nil
	}
	return r.keys
}

// normalise brings the names into the form that they are compared and written in.
func (k *Key) normalise() (err error) {
	if k.Domain, err = parseName(k.Domain); err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	if k.Selector, err = parseSelector(k.Selector); err != nil {
		return err
	}
	switch {
	case k.Private == nil:
		return errors.New("has no private key")
	case k.State < Pending || k.State > Retired:
		return fmt.Errorf("%v is no state", k.State)
	case k.State == Retiring && k.Until.IsZero():
		return errors.New("is retiring but has no time when it is retired")
	case k.Identity != "":
		return k.checkIdentity()
	}
	return nil
}

// parseSelector reads a selector: labels as of a domain, but numbers may stand alone, as in 20260801.
func parseSelector(s string) (string, error) {
	name, err := message.ParseDomain(s+".invalid", true)
	if err != nil || s == "" {
		return "", fmt.Errorf("selector %q is not made of labels of a domain name", s)
	}
	return strings.TrimSuffix(name, ".invalid"), nil
}

func parseName(s string) (string, error) {
	name, err := message.ParseDomain(strings.TrimSuffix(s, "."), true)
	if err == nil && name[0] == '[' {
		err = errors.New("an address literal has no keys")
	}
	return name, err
}

// checkIdentity keeps i= to what needs no quoting: a plain local part, or none, and the domain or
// one below it (RFC 6376 3.5).
func (k *Key) checkIdentity() error {
	local, domain, ok := strings.Cut(k.Identity, "@")
	name, err := parseName(domain)
	if !ok || err != nil || name != k.Domain && !strings.HasSuffix(name, "."+k.Domain) {
		return fmt.Errorf("identity %q is not at %s or a domain below", k.Identity, k.Domain)
	}
	for _, c := range local {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+", c) {
			return fmt.Errorf("identity %q: %q not allowed here", k.Identity, c)
		}
	}
	k.Identity = local + "@" + name
	return nil
}

// conflict tells what in the ring keeps k out.
func (r *Keyring) conflict(k *Key) error {
	for _, other := range r.byDomain[k.Domain] {
		switch {
		case other.Selector == k.Selector:
			return errors.New("is there twice")
		case other.State == Active && k.State == Active && other.Private.Algorithm() == k.Private.Algorithm():
			return fmt.Errorf("is active, and so is %s; one of the two %s keys has to be pending, retiring or retired",
				other.Selector, k.Private.Algorithm())
		}
	}
	return nil
}
