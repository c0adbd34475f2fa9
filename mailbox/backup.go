package mailbox

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Backup makes a copy of the whole store in dir, which must not exist, while others go on using it: what was
// acknowledged before the call is in it. On the same file system it takes hardly any space at first, because files are
// shared. The copy is a store, whose folders get new UIDVALIDITYs when it is first opened.
func (s *Store) Backup(dir string) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	err := s.contain(func() error {
		if err := s.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
			return err
		}
		return markCopy(s.fs, dir)
	})
	if err != nil {
		return fmt.Errorf("mailbox: backup to %s: %w", dir, err)
	}
	return nil
}
