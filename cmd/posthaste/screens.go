package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/greylist"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/relay"
)

// screens are the engines that look at mail as it comes in. They live as long as the daemon; a reload changes their
// rules, and keeps the connections of filters that stay as they are.
type screens struct {
	resolver inbound.Resolver
	greylist *greylist.Greylist

	mu      sync.Mutex // of what follows: metrics look at it
	filters []filter
	retired []filter // by the last reload; sessions may still be asking them
}

// filter is a running filter with the entry that it was made from.
type filter struct {
	Milter
	*milter.Scanner
}

// openScreens opens the greylist. It is there although it is off, so that operators can look at it.
func openScreens(cfg *Config, kept *store.Store, r inbound.Resolver, log *zap.Logger) (*screens, error) {
	g, err := greylist.Open(context.Background(), greylist.Options{Store: kept, Rules: cfg.Greylist.rules(), Log: log.Named("greylist")})
	if err != nil {
		return nil, err
	}
	return &screens{resolver: r, greylist: g}, nil
}

// apply puts cfg in force, and the engines into p. After an error all is as before.
func (s *screens) apply(cfg *Config, p *relay.Policy) error {
	checker, err := inboundChecker(cfg, s.resolver)
	if err != nil {
		return err
	}
	filters, err := s.newFilters(cfg)
	if err != nil {
		return err
	}
	if err := s.greylist.SetRules(cfg.Greylist.rules()); err != nil {
		return err
	}
	s.setFilters(filters)
	p.Inbound = &relay.Inbound{Checker: checker, SPFPasses: cfg.Greylist.SPFPasses,
		Allow: prefixes(cfg.Inbound.Allow), Deny: prefixes(cfg.Inbound.Deny)}
	if cfg.Greylist.Enabled {
		p.Inbound.Greylist = s.greylist
	}
	p.Milters = chains(cfg.Listeners, filters)
	return nil
}

// newFilters returns the filters of cfg, those that are the same as before among them.
func (s *screens) newFilters(cfg *Config) ([]filter, error) {
	var list []filter
	for _, m := range cfg.Milters {
		if i := slices.IndexFunc(s.filters, func(f filter) bool { return f.same(&m) }); i >= 0 {
			list = append(list, filter{m, s.filters[i].Scanner})
			continue
		}
		o, err := m.options(cfg.Hostname)
		if err != nil {
			return nil, fmt.Errorf("milter %s: %w", m.Name, err)
		}
		scanner, err := milter.New(o)
		if err != nil {
			return nil, err
		}
		list = append(list, filter{m, scanner})
	}
	return list, nil
}

// same tells whether the filter would be made in the same way.
func (f *filter) same(m *Milter) bool {
	a, b := f.Milter, *m
	a.Listeners, b.Listeners = nil, nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// setFilters ends the filters that went with the reload before this one.
func (s *screens) setFilters(list []filter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeFilters(s.retired)
	s.retired = nil
	for _, old := range s.filters {
		if !slices.ContainsFunc(list, func(f filter) bool { return f.Scanner == old.Scanner }) {
			s.retired = append(s.retired, old)
		}
	}
	s.filters = list
}

func closeFilters(list []filter) {
	for _, f := range list {
		f.Close()
	}
}

// chains returns each listener's filters in their order.
func chains(listeners []Listener, filters []filter) map[string]milter.Chain {
	out := map[string]milter.Chain{}
	for _, l := range listeners {
		for _, f := range filters {
			if len(f.Listeners) == 0 || slices.Contains(f.Listeners, l.Name) {
				out[l.Name] = append(out[l.Name], f.Scanner)
			}
		}
	}
	return out
}

// filterMetrics returns what the filters have done, by name.
func (s *screens) filterMetrics() map[string]milter.Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]milter.Metrics, len(s.filters))
	for _, f := range s.filters {
		out[f.Milter.Name] = f.Metrics()
	}
	return out
}

// close ends them. Nobody may use them any more; the store is still open.
func (s *screens) close() error {
	closeFilters(s.retired)
	closeFilters(s.filters)
	return s.greylist.Close()
}
