package greylist

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// allowed is the operator's allowances in memory.
type allowed struct {
	editing  sync.Mutex // one operator at a time; held while the disk is written
	mu       sync.RWMutex
	networks networkSet
	names    map[Kind]nameSet
}

func (s *allowed) set(a Allowance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Kind == Network {
		p, err := parseNetwork(a.Name)
		if err != nil {
			return err
		}
		return s.networks.add(p, a.Until)
	}
	return s.names[a.Kind].add(a.Name, a.Until)
}

func (s *allowed) remove(a Allowance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, err := parseNetwork(a.Name); a.Kind == Network && err == nil {
		delete(s.networks, p)
		return
	}
	delete(s.names[a.Kind], a.Name)
}

func (s *allowed) network(a netip.Addr, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.networks.has(a, now)
}

func (s *allowed) sender(address string, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[Sender].has(address, now)
}

func (s *allowed) recipient(address string, now time.Time) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[Recipient].has(address, now)
}

func (s *allowed) all() []Allowance {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Allowance
	for p, until := range s.networks {
		all = append(all, Allowance{Network, p.String(), until})
	}
	for kind, names := range s.names {
		for name, until := range names {
			all = append(all, Allowance{kind, name, until})
		}
	}
	slices.SortFunc(all, func(a, b Allowance) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (s *allowed) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.networks) + len(s.names[Sender]) + len(s.names[Recipient])
}
