package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// dkimGenerateCmd is `posthaste dkim generate`.
type dkimGenerateCmd struct {
	dkimFlags
	Domain    string `arg:"" help:"The domain of the From field."`
	Selector  string `short:"s" help:"Name of the key within the domain; default: the month, and r or e."`
	Algorithm string `default:"rsa" enum:"rsa,rsa3,ed25519,both" help:"rsa (default), rsa3, ed25519, or both rsa and ed25519."`
	Bits      int    `default:"2048" enum:"2048,3072,4096" help:"Length of an RSA key (default 2048)."`
}

// Help is the long help.
func (dkimGenerateCmd) Help() string {
	return `Makes keys, for you to publish and then activate. Nothing is signed with them before.

rsa is understood everywhere. rsa3 is an RSA key of three primes: to receivers there is no difference,
and Go's own code signs faster with it, libcrypto not everywhere (posthaste version tells which it is);
some other programs cannot read its file. ed25519 is the cheapest, but many receivers ignore it, so
it goes beside an RSA key: both.

Examples:
  posthaste dkim generate example.com
  posthaste dkim generate example.com --selector mail2026 --algorithm both`
}

// Run makes the keys.
func (c *dkimGenerateCmd) Run(p process) error {
	s, domain, err := c.openFor(c.Domain)
	if err != nil {
		return err
	}
	kinds := map[string][]string{"both": {"rsa", "ed25519"}}[c.Algorithm]
	if kinds == nil {
		kinds = []string{c.Algorithm}
	}
	return c.generate(p, s, domain, c.Selector, c.Bits, kinds)
}

// generate makes pending keys of some kinds and tells what to publish.
func (f *dkimFlags) generate(p process, s *keyStore, domain, selector string, bits int, kinds []string) error {
	var made []madeKey
	err := s.change(func(folder *keyFolder) error {
		for i, kind := range kinds {
			private, err := generateKey(kind, bits)
			if err != nil {
				return err
			}
			k := DKIMKey{Domain: domain, Selector: selector, State: dkim.Pending.String()}
			switch {
			case selector == "":
				k.Selector = freeSelector(dkimKeys(s.cfg, s.pos, folder), domain, kind, s.now)
			case i > 0:
				k.Selector += "-ed"
			}
			if err := folder.add(k, private); err != nil {
				return err
			}
			made = append(made, describeKey(folder, k, private))
		}
		return nil
	})
	if err != nil {
		return err
	}
	told := f.tellDaemon(p)
	if f.JSON {
		return errors.Join(json.NewEncoder(p.stdout).Encode(made), told)
	}
	printMade(p.stdout, domain, made)
	return told
}

func generateKey(kind string, bits int) (*dkim.PrivateKey, error) {
	switch kind {
	case "rsa3":
		return dkim.GenerateThreePrimes()
	case "ed25519":
		return dkim.GenerateEd25519()
	default:
		return dkim.GenerateRSA(bits)
	}
}

// freeSelector makes a selector of the month and the kind, with a number if that is taken.
func freeSelector(known []knownKey, domain, kind string, now time.Time) string {
	base := now.UTC().Format("200601") + kind[:1]
	for n := 1; ; n++ {
		s := base
		if n > 1 {
			s = fmt.Sprintf("%s%d", base, n)
		}
		if !slices.ContainsFunc(known, func(k knownKey) bool { return k.Domain == domain && k.Selector == s }) {
			return s
		}
	}
}

// madeKey is what a new key's owner has to know.
type madeKey struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	Key      string `json:"key"`
	State    string `json:"state"`
	File     string `json:"file"`
	dnsRecord
}

// dnsRecord is what to publish for a key.
type dnsRecord struct {
	Name string `json:"record_name"`
	Text string `json:"record_text"`
	Zone string `json:"zone_line"`
}

// recordTTL is what the printed records say: an hour, so that a mistake is soon over.
const recordTTL = 3600

func recordOf(k DKIMKey, private *dkim.PrivateKey) dnsRecord {
	key := dkim.Key{Domain: k.Domain, Selector: k.Selector, Private: private}
	return dnsRecord{key.String(), private.RecordText(), key.ZoneLine(recordTTL)}
}

func describeKey(f *keyFolder, k DKIMKey, private *dkim.PrivateKey) madeKey {
	last := f.keys[len(f.keys)-1]
	return madeKey{k.Domain, k.Selector, private.String(), k.State, f.path(&last), recordOf(k, private)}
}

func printMade(w io.Writer, domain string, made []madeKey) {
	for _, m := range made {
		fmt.Fprintf(w, "%s, selector %s: %s key in %s\n", m.Domain, m.Selector, m.Key, m.File)
	}
	fmt.Fprintf(w, "\nPublish, as lines of a zone file:\n")
	for _, m := range made {
		fmt.Fprintln(w, m.Zone)
	}
	fmt.Fprintf(w, "\nor in a form on the web, as TXT:\n")
	for _, m := range made {
		m.printForm(w)
	}
	fmt.Fprintf(w, "\nThen: posthaste dkim activate %s\n", domain)
}

// printForm prints a record for a form: forms take the name without the domain, or with it.
func (r madeKey) printForm(w io.Writer) {
	fmt.Fprintf(w, "name   %s   (within %s: %s)\nvalue  %s\n", r.Name, r.Domain, strings.TrimSuffix(r.Name, "."+r.Domain), r.Text)
}
