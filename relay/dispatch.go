package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
)

// dispatch brings each domain that has become ready to the lane of its site, until the relay stops leasing.
// A domain whose lane is known and whose route still holds goes there at once; any other is
// resolved outside this loop, so that a slow name server holds up its own domains alone.
func (r *Relay) dispatch() {
	for {
		domain, err := r.queue.NextReady(r.leasing)
		if err != nil {
			if r.leasing.Err() == nil {
				r.log.Error("queue gives no more mail", zap.Error(err))
			}
			return
		}
		switch {
		case domain == captureQueue:
			r.work.Go(r.capture)
		case !r.lanes.attachKnown(domain):
			r.resolve(domain)
		}
	}
}

// lookups are the domains whose route is being found, and those that wait for it: no more than have due mail.
type lookups struct {
	mu      sync.Mutex
	running int
	waiting []string
}

// resolve finds the route of a domain and attaches it to its lane, at once or when fewer than MaxResolving
// others wait for an answer.
func (r *Relay) resolve(domain string) {
	if r.leasing.Err() != nil {
		return // the domain is found ready again at the next start
	}
	q := &r.lookups
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running >= r.cfg.MaxResolving {
		q.waiting = append(q.waiting, domain)
		return
	}
	q.running++
	r.work.Go(func() {
		for more := true; more && r.leasing.Err() == nil; domain, more = q.next() {
			r.route(domain)
		}
	})
}

// next returns the domain that has waited longest; without one, a lookup has ended.
func (q *lookups) next() (domain string, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running--
		q.waiting = nil
		return "", false
	}
	domain, q.waiting = q.waiting[0], q.waiting[1:]
	return domain, true
}

// route resolves domain and attaches it to its lane, or ends this attempt for all its due mail when the
// name system says where not to send it.
func (r *Relay) route(domain string) {
	asked, p := time.Now(), r.policy.Load()
	if p.Local.serves(domain) {
		r.lanes.attach(domain, localRoute(domain), 0, p)
		return
	}
	route, err := r.router.Route(r.leasing, domain)
	if err == nil {
		r.lanes.attach(domain, route, time.Since(asked), p)
		return
	}
	if r.leasing.Err() != nil {
		return // the domain is found ready again at the next start
	}
	status := localStatus(451, message.EnhancedCode{4, 4, 3}, fmt.Sprintf("looking up %s: %v", domain, err))
	var failure *resolver.Failure
	if errors.As(err, &failure) {
		status = failure.Status
	}
	r.endAttempt(r.leasing, domain, status, &peerFacts{})
}

// endAttempt gives all mail that is due at domain the same outcome without a connection: the name system
// refused it.
func (r *Relay) endAttempt(ctx context.Context, domain string, status message.Status, facts *peerFacts) {
	for ctx.Err() == nil {
		lease, err := r.queue.Lease(domain)
		if err != nil {
			r.leaseFailed(domain, err)
			r.rest()
			continue
		}
		if lease == nil {
			return
		}
		r.finish(newAttempt(lease, facts).all(status))
	}
}

// leaseFailed tells of mail that could not be lent out. What is damaged the queue puts aside, so that
// the next call gives other mail; after any other error it may be the same again, and the caller rests.
func (r *Relay) leaseFailed(domain string, err error) {
	r.metrics.leaseErrors.Add(1)
	level := zap.WarnLevel
	if errors.Is(err, queue.ErrFailed) {
		level = zap.ErrorLevel
	}
	r.log.Log(level, "mail cannot be read from the queue", zap.String("domain", domain), zap.Error(err))
}

// rest waits a moment after the queue could not be read, or until the relay stops leasing.
func (r *Relay) rest() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.leasing.Done():
	}
}
