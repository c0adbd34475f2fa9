package queue

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Backup makes a copy of the whole queue in dir, which must not exist, while mail goes on. On the
// same file system it takes hardly any space at first, because files are shared. Everything that
// was acknowledged before the call is in it.
func (q *Queue) Backup(dir string) error {
	done, err := q.reading()
	if err != nil {
		return err
	}
	defer done()
	if err := q.store.contain(func() error { return q.store.Checkpoint(dir, pebble.WithFlushedWAL()) }); err != nil {
		return fmt.Errorf("queue: backup to %s: %w", dir, err)
	}
	return nil
}
