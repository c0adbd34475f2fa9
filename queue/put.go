package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// Put stores a message for all of rcpts and returns when it is on stable storage. It takes
// ownership of env, rcpts and content, which must not be changed afterwards. It sets env.ID if that
// is zero, env.Size, and env.ArrivedAt if that is zero. Errors are ErrFull, ErrFailed, ErrClosed, or
// ctx's error if it ended before the message was handed to the store.
func (q *Queue) Put(ctx context.Context, env *message.Envelope, rcpts []message.Recipient, content []byte) (message.ID, error) {
	if err := q.Full(); err != nil {
		return 0, err
	}
	p, err := q.newIncoming(env, rcpts, content, spaceSchedule)
	if err != nil {
		return 0, err
	}
	r := &request{puts: []*incoming{p}, bytes: len(content)}
	if err := q.committer.submit(ctx, r); err != nil {
		return 0, err
	}
	return env.ID, nil
}

// Full returns a *FullError while new mail is turned away for want of room, nil otherwise.
func (q *Queue) Full() error {
	return q.space.check(q.now(), q.gauge.messages.Load(), q.gauge.bytes.Load())
}

// NewID returns an ID for use with Put, for callers that need it beforehand.
func (q *Queue) NewID() message.ID { return q.ids.Next() }

// newIncoming prepares a message for the committer, on the caller's processor. space is spaceSchedule or spaceHeld.
func (q *Queue) newIncoming(env *message.Envelope, rcpts []message.Recipient, content []byte, space byte) (*incoming, error) {
	if err := checkNames(env, rcpts); err != nil {
		return nil, err
	}
	now := q.identify(env, content)
	var key [9]byte
	putIDKey(key[:], spaceContent, env.ID)
	p := &incoming{msg: &loaded{envelope: env, content: content}, sum: sum(key[:], content), space: space}

	groups := groupByDomain(rcpts, q.groupSize)
	if len(groups) > 1<<16 {
		return nil, fmt.Errorf("queue: a message with %d groups of recipients", len(groups))
	}
	if len(groups) > 1 {
		p.env = appendEnvelopeRecord(nil, idKey(spaceEnvelope, env.ID), env)
	}
	for i, rcpts := range groups {
		g := &group{recipients: rcpts}
		if len(groups) == 1 {
			g.envelope = env
		}
		e := &entry{
			name:  flowName{rcpts[0].Domain, env.Class, env.Tenant},
			slot:  slot{due: micros(now), id: env.ID, group: uint16(i), count: uint16(len(rcpts))},
			group: g,
			msg:   p.msg,
		}
		p.entries = append(p.entries, e)
		p.values = append(p.values, appendGroup(nil, placeKey(space, e.name, e.slot), g))
	}
	return p, nil
}

// identify gives a new message what its caller has left out, and returns the time.
func (q *Queue) identify(env *message.Envelope, content []byte) time.Time {
	if env.ID == 0 {
		env.ID = q.ids.Next()
	}
	now := q.now()
	if env.ArrivedAt.IsZero() {
		env.ArrivedAt = now
	}
	env.Size = int64(len(content))
	return now
}

// checkNames refuses what cannot be part of a key.
func checkNames(env *message.Envelope, rcpts []message.Recipient) error {
	if len(rcpts) == 0 {
		return errors.New("queue: a message without recipients")
	}
	if env.Class >= message.NumClasses {
		return fmt.Errorf("queue: class %d does not exist", env.Class)
	}
	if len(env.Tenant) > 255 || strings.IndexByte(env.Tenant, 0) >= 0 {
		return fmt.Errorf("queue: tenant %q cannot be kept", env.Tenant)
	}
	for i := range rcpts {
		d := rcpts[i].Domain
		if d == "" || len(d) > 255 || strings.IndexByte(d, 0) >= 0 {
			return fmt.Errorf("queue: domain %q of recipient %q cannot be kept", d, rcpts[i].Address)
		}
	}
	return nil
}

// groupByDomain splits recipients into groups of one domain and at most size each, keeping their
// order.
func groupByDomain(rcpts []message.Recipient, size int) [][]message.Recipient {
	if sameDomain(rcpts) && len(rcpts) <= size {
		return [][]message.Recipient{rcpts}
	}
	var groups [][]message.Recipient
	open := make(map[string]int) // the group of a domain that is not full
	for _, r := range rcpts {
		i, ok := open[r.Domain]
		if !ok || len(groups[i]) == size {
			i = len(groups)
			groups = append(groups, nil)
			open[r.Domain] = i
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func sameDomain(rcpts []message.Recipient) bool {
	for i := range rcpts {
		if rcpts[i].Domain != rcpts[0].Domain {
			return false
		}
	}
	return true
}
