package main

import (
	"context"
	"reflect"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/limit"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/policy/suppress"
	"github.com/posthaste-mta/posthaste/relay"
)

// engines are those of policy that count and keep lists. They live as long as the daemon; a reload changes their rules.
type engines struct {
	limits      *limit.Limiter
	suppression *suppress.List
	harvest     atomic.Pointer[limit.Harvest] // nil: no tarpit
	tarpit      Tarpit                        // as harvest was made
}

// openEngines opens those that keep something in the store.
func openEngines(cfg *Config, kept *store.Store, log *zap.Logger) (*engines, error) {
	e := &engines{}
	var err error
	if e.limits, err = limit.New(context.Background(), limit.Options{Rules: engineRules(cfg), Store: kept, Log: log.Named("limit")}); err != nil {
		return nil, err
	}
	e.suppression, err = suppress.Open(context.Background(), suppress.Options{Store: kept, Rule: cfg.Suppression.rule(), Log: log.Named("suppress")})
	if err != nil {
		e.limits.Close()
		return nil, err
	}
	return e, nil
}

// apply puts cfg in force, and the engines into p. After an error all is as before.
func (e *engines) apply(cfg *Config, p *relay.Policy) error {
	harvest := e.harvest.Load()
	switch {
	case cfg.Tarpit.Refuse == 0:
		harvest = nil
	case harvest == nil || !reflect.DeepEqual(cfg.Tarpit, e.tarpit): // who has guessed is forgotten
		var err error
		if harvest, err = limit.NewHarvest(cfg.Tarpit.options()); err != nil {
			return err
		}
	}
	if err := e.limits.SetRules(engineRules(cfg)); err != nil {
		return err
	}
	if err := e.suppression.SetRule(cfg.Suppression.rule()); err != nil {
		return err
	}
	e.harvest.Store(harvest)
	e.tarpit = cfg.Tarpit
	p.Limits, p.Harvest, p.Uncounted = e.limits, harvest, prefixes(cfg.Limits.Uncounted)
	p.Suppression, p.RefuseSuppressed = e.suppression, cfg.Suppression.Reply == "refuse"
	return nil
}

// harvestMetrics returns those of the tarpit that is in force; a reload that changes it begins anew.
func (e *engines) harvestMetrics() limit.HarvestMetrics {
	if h := e.harvest.Load(); h != nil {
		return h.Metrics()
	}
	return limit.HarvestMetrics{}
}

// close ends them. Nobody may use the engines any more; the store is still open.
func (e *engines) close() error {
	e.limits.Close()
	return e.suppression.Close()
}
