package greylist

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// networkSet is a set of networks, each with the time until which it holds; zero is for good.
type networkSet map[netip.Prefix]time.Time

func (s networkSet) add(p netip.Prefix, until time.Time) error {
	if !p.IsValid() {
		return fmt.Errorf("not a network: %v", p)
	}
	s[p.Masked()] = until
	return nil
}

// has asks for each length of prefix, of which there are few beside the networks of a long list.
func (s networkSet) has(a netip.Addr, now time.Time) bool {
	if len(s) == 0 {
		return false
	}
	a = a.Unmap().WithZone("")
	for bits := a.BitLen(); bits >= 0; bits-- {
		p, err := a.Prefix(bits)
		if err != nil {
			return false
		}
		if until, ok := s[p]; ok && holds(until, now) {
			return true
		}
	}
	return false
}

func holds(until, now time.Time) bool { return until.IsZero() || now.Before(until) }

// nameSet is a set of addresses, domains, and ".suffix" for all domains below.
type nameSet map[string]time.Time

func (s nameSet) add(name string, until time.Time) error {
	name, err := parseName(name)
	if err == nil {
		s[name] = until
	}
	return err
}

// parseName returns an address, a domain or a ".suffix" as it is kept.
func parseName(s string) (string, error) {
	if strings.Contains(s, "@") {
		a, err := message.ParseAddress(s, true)
		return fold(a.String()), err
	}
	suffix := ""
	if strings.HasPrefix(s, ".") {
		s, suffix = s[1:], "."
	}
	domain, err := message.ParseDomain(s, true)
	return suffix + domain, err
}

// has tells whether the set holds the address, folded, or its domain.
func (s nameSet) has(address string, now time.Time) bool {
	if len(s) == 0 {
		return false
	}
	if until, ok := s[address]; ok && holds(until, now) {
		return true
	}
	domain := address[strings.LastIndexByte(address, '@')+1:]
	if until, ok := s[domain]; ok && holds(until, now) {
		return true
	}
	for i := range len(domain) {
		if domain[i] != '.' {
			continue
		}
		if until, ok := s[domain[i:]]; ok && holds(until, now) {
			return true
		}
	}
	return false
}
