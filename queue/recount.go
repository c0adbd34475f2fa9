package queue

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/zap"
)

// loadCounters reads the counters; a new store has none.
func loadCounters(r pebble.Reader) (counters, error) {
	value, closer, err := r.Get(countersKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return counters{}, nil
	}
	if err != nil {
		return counters{}, readError(err, "the counters")
	}
	defer closer.Close()
	return decodeCounters(value)
}

// startCounters reads the counters at Open. Damaged ones are counted anew: what has ended before is
// then forgotten, what is queued is not.
func startCounters(s *store, log *zap.Logger) (counters, error) {
	c, err := loadCounters(s)
	if !errors.Is(err, ErrDamaged) {
		return c, err
	}
	log.Error("queue: the counters are damaged and counted anew; their history is lost", zap.Error(err))
	c = counters{}
	for _, space := range []byte{spaceHeld, spaceSchedule} {
		if err := recount(s, space, func(w *walk) {
			if _, at, err := parsePlace(w.it.Key()); err == nil {
				c.standing(space, at, 1)
			}
		}); err != nil {
			return c, err
		}
	}
	c.accepted = c.queued
	err = recount(s, spaceContent, func(w *walk) {
		c.messages++
		if value, err := w.value(); err == nil {
			c.bytes += int64(max(0, len(value)-sumLen))
		}
		if id, ok := keyID(w.it.Key()); ok {
			c.lastID = max(c.lastID, id)
		}
	})
	c.acceptedMessages = c.messages
	return c, err
}

func recount(s *store, space byte, each func(*walk)) error {
	w, err := newWalk(s, s, []byte{space}, []byte{space + 1})
	if err != nil {
		return err
	}
	for ; w.valid(); w.next() {
		each(w)
	}
	if err := w.close(); err != nil {
		return fmt.Errorf("queue: counting anew: %w", err)
	}
	return nil
}
