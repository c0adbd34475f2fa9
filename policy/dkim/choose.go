package dkim

import (
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// For returns the keys that sign for a From domain at a time, in the order in which their
// signatures stand in the message. This is the whole policy:
//
//   - the domain's own keys, or those of the closest parent that has one to sign with (relaxed
//     alignment, RFC 7489 3.1.1, takes a parent's signature; the top-level domain is not asked);
//   - then the provider's, unless they are the same;
//   - of each domain one RSA key and one Ed25519 key at most: the active one, or else, so that mail
//     is not unsigned while a rotation waits for its new key, the one that is retiring and not yet due.
//
// RSA goes first: every receiver verifies it, and some look at the first signatures only.
func (r *Keyring) For(fromDomain string, now time.Time) []*Key {
	if r == nil {
		return nil
	}
	var keys []*Key
	own := ""
	if domain, err := message.ParseDomain(strings.TrimSuffix(fromDomain, "."), true); err == nil && domain[0] != '[' {
		for d := domain; d != ""; d = parent(d) {
			if keys = r.appendUsable(keys, d, now); len(keys) > 0 {
				own = d
				break
			}
		}
	}
	if r.provider != "" && r.provider != own {
		keys = r.appendUsable(keys, r.provider, now)
	}
	return keys
}

// parent returns the domain above, "" where that would be a top-level domain.
func parent(domain string) string {
	_, above, _ := strings.Cut(domain, ".")
	if !strings.Contains(above, ".") {
		return ""
	}
	return above
}

func (r *Keyring) appendUsable(dst []*Key, domain string, now time.Time) []*Key {
	for _, algorithm := range [...]Algorithm{RSA, Ed25519} {
		var best *Key
		for _, k := range r.byDomain[domain] {
			if k.Private.Algorithm() != algorithm || !k.maySign(now) {
				continue
			}
			if best == nil || k.State == Active || best.State != Active && k.Until.After(best.Until) {
				best = k
			}
		}
		if best != nil {
			dst = append(dst, best)
		}
	}
	return dst
}

// maySign tells whether the key's state lets it sign at all.
func (k *Key) maySign(now time.Time) bool {
	return k.State == Active || k.State == Retiring && now.Before(k.Until)
}
