package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// DKIM is how mail of our own is signed (RFC 6376): what comes from clients that may send to any domain, and our own
// reports. Without a key for its From domain a message goes unsigned.
type DKIM struct {
	// Dir holds the keys that `posthaste dkim` makes, and keys.toml with their states. Default: dkim in DataDir.
	Dir string `toml:"dir"`
	// Expiry is how long a signature holds; 0 is without end.
	Expiry Duration `toml:"expiry" min:"0s"`
	// Provider is the domain whose keys sign all mail besides those of its From domain.
	Provider string `toml:"provider"`
	// Require are From domains (".example.net" is all below it) whose mail is refused when it cannot be signed.
	Require []string `toml:"require"`
	// AlsoSign are header fields to cover, when present, beyond those that are always covered.
	AlsoSign []string `toml:"also_sign"`
	// Keys are those that are kept elsewhere than in Dir.
	Keys []DKIMKey `toml:"key"`
}

// DKIMKey is one key: in the configuration, or in keys.toml of the key folder.
type DKIMKey struct {
	Domain   string `toml:"domain"`   // d=
	Selector string `toml:"selector"` // s=
	// File is PEM (PKCS #8, or PKCS #1 for RSA), or the base64 of an Ed25519 seed; read again on a reload. In keys.toml
	// it is a name in the folder.
	File     string `toml:"file"`
	Identity string `toml:"identity"` // i=; empty: none
	// State is pending (does not sign yet), active, retiring (signs for want of an active one, to Until) or retired.
	State string `toml:"state" enum:"active,pending,retiring,retired"`
	Until Moment `toml:"until"`
}

// complete fills what follows from the rest of the configuration.
func (d *DKIM) complete(dataDir string) {
	if d.Dir == "" {
		d.Dir = filepath.Join(dataDir, "dkim")
	}
	for i := range d.Keys {
		d.Keys[i].complete()
	}
}

func (k *DKIMKey) complete() {
	if k.State == "" {
		k.State = dkim.Active.String()
	}
}

// name is how a key is called in messages.
func (k *DKIMKey) name() string { return k.Selector + "._domainkey." + k.Domain }

// state returns the state at a time: a retiring key retires by itself.
func (k *DKIMKey) state(now time.Time) dkim.State {
	s, err := dkim.ParseState(k.State)
	if err != nil || s == dkim.Retiring && !now.Before(k.Until.Time) {
		return dkim.Retired
	}
	return s
}

// problem tells what is wrong with the entry, and in which of its keys; the key file is not looked at.
func (k *DKIMKey) problem() (key string, err error) {
	if p := checkDomain(k.Domain); p != "" {
		return "domain", errors.New(p)
	}
	if p := checkDomain(k.Selector); p != "" {
		return "selector", errors.New("is made of labels as a domain name is: " + p)
	}
	_, err = dkim.ParseState(k.State)
	switch {
	case k.File == "":
		return "file", errors.New("must not be empty")
	case err != nil:
		return "state", errors.New(strings.TrimPrefix(err.Error(), "dkim: "))
	case k.State == dkim.Retiring.String() && k.Until.IsZero():
		return "until", errors.New("is missing: say when the retiring key is retired")
	}
	return "", nil
}

// dkim checks [dkim], but for the key files: who steers the daemon need not be able to read those.
func (c *checker) dkim() {
	d := &c.cfg.DKIM
	if e := d.Expiry.Duration; e > 0 && e < c.cfg.Retry.Expire.Duration {
		c.fail("dkim.expiry", "%s is shorter than retry.expire (%s): mail would still be queued when its signature has ended", d.Expiry, c.cfg.Retry.Expire)
	}
	if d.Provider != "" {
		if p := checkDomain(d.Provider); p != "" {
			c.fail("dkim.provider", "%s", p)
		}
	}
	for i, name := range d.Require {
		if p := checkDomain(strings.TrimPrefix(name, ".")); p != "" {
			c.fail("dkim.require", "element %d: %s", i+1, p)
		}
	}
	if _, err := dkim.NewSigner(nil, dkim.Options{AlsoSign: d.AlsoSign}); err != nil {
		c.fail("dkim.also_sign", "%s", strings.TrimPrefix(err.Error(), "dkim: "))
	}
	for i := range d.Keys {
		if key, err := d.Keys[i].problem(); err != nil && key != "state" { // the enum tells of that
			c.fail(fmt.Sprintf("dkim.key[%d].%s", i, key), "%v", err)
		}
	}
}

// Moment is a point in time, written as RFC 3339 does or as a day, which begins at midnight UTC.
type Moment struct{ time.Time }

// UnmarshalText reads "2026-08-01T12:00:00Z" or "2026-08-01".
func (m *Moment) UnmarshalText(text []byte) (err error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if m.Time, err = time.Parse(layout, string(text)); err == nil {
			return nil
		}
	}
	if len(text) == 0 {
		return nil
	}
	return fmt.Errorf(`%q is not a time (such as "2026-08-01T12:00:00Z" or "2026-08-01")`, text)
}

// String writes it as RFC 3339 does; "" if there is none.
func (m Moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.UTC().Format(time.RFC3339)
}

// MarshalJSON writes the text.
func (m Moment) MarshalJSON() ([]byte, error) { return []byte(`"` + m.String() + `"`), nil }

// sortKeys orders keys by domain, then as they were made.
func sortKeys(keys []DKIMKey) {
	slices.SortStableFunc(keys, func(a, b DKIMKey) int { return strings.Compare(a.Domain, b.Domain) })
}
