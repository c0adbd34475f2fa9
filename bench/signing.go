package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// SigningKey is a key that the relay is to sign all mail from its domain with.
type SigningKey struct{ Domain, Selector, Algorithm, File string }

// signer is a Subject that can sign.
type signer interface {
	// CanSign returns nil, or an error that says what is missing.
	CanSign() error
}

// canSign tells whether a relay can take part in a scenario as far as signing goes.
func canSign(s Subject, sc Scenario) error {
	if len(sc.Sign) == 0 {
		return nil
	}
	if c, ok := s.(signer); ok {
		return c.CanSign()
	}
	return fmt.Errorf("%s does not sign", s.Name())
}

// makeSigningKeys makes a key of each kind: rsa, rsa3 or ed25519.
func makeSigningKeys(dir string, kinds []string) (keys []SigningKey, err error) {
	for i, kind := range kinds {
		var private *dkim.PrivateKey
		switch kind {
		case "rsa":
			private, err = dkim.GenerateRSA(2048)
		case "rsa3":
			private, err = dkim.GenerateThreePrimes()
		default:
			private, err = dkim.GenerateEd25519()
		}
		if err != nil {
			return nil, err
		}
		text, err := private.MarshalPEM()
		if err != nil {
			return nil, err
		}
		k := SigningKey{SenderDomain, fmt.Sprintf("bench%d", i), private.Algorithm().String(), filepath.Join(dir, kind+".pem")}
		if err := os.WriteFile(k.File, text, 0o600); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// signingTables is the part of posthaste's configuration that names the keys.
func signingTables(keys []SigningKey) string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "\n[[dkim.key]]\ndomain = %q\nselector = %q\nfile = %q\n", k.Domain, k.Selector, k.File)
	}
	return b.String()
}

// SigningCost is what a scenario with signatures costs more than the same one without.
type SigningCost struct {
	Scenario, Over, Relay string
	CPU                   float64 // CPU-seconds per 1,000 messages
}

// SigningCosts compares the scenarios that sign with those that they are to be compared with, where both were run.
func (r *Report) SigningCosts() (costs []SigningCost) {
	list := r.Summaries()
	for _, sc := range r.Scenarios {
		for _, signed := range list {
			for _, plain := range list {
				if len(sc.Sign) > 0 && signed.Scenario == sc.Name && plain.Scenario == sc.Over && plain.Relay == signed.Relay {
					costs = append(costs, SigningCost{sc.Name, sc.Over, signed.Relay, signed.CPU - plain.CPU})
				}
			}
		}
	}
	return costs
}
