package mailbox

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A backup goes back to UIDs that may have been given since to messages that it does not have. Clients that have seen those
// would take the next messages for them: never fetch them over POP3, or do to them what was meant for the others. So a backup
// carries a mark, and the first who opens it as a store gives all folders new UIDVALIDITYs.

// copyMark is the name of the mark.
const copyMark = "COPY"

const renewAtOnce = 64 << 10 // bytes in one batch

// markCopy marks the backup in dir.
func markCopy(fs vfs.FS, dir string) error {
	f, err := fs.Create(fs.PathJoin(dir, copyMark), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(fs, dir))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// renewCopy gives the folders of a backup new UIDVALIDITYs, and takes the mark off. What a crash leaves undone is done at the
// next start.
func (s *Store) renewCopy(fs vfs.FS, dir string) error {
	mark := fs.PathJoin(dir, copyMark)
	if _, err := fs.Stat(mark); errors.Is(err, os.ErrNotExist) {
		return nil // nearly always
	} else if err != nil {
		return err
	}
	if err := s.renewValidities(); err != nil {
		return fmt.Errorf("new UIDVALIDITYs for a backup: %w", err)
	}
	return errors.Join(fs.Remove(mark), syncDir(fs, dir))
}

func (s *Store) renewValidities() error {
	batch := s.db.NewBatch()
	commit := func() error { // with the last number: whoever stops here goes on above it
		_ = batch.Set([]byte{spaceMeta}, s.meta.encode(), nil)
		return errors.Join(s.db.Apply(batch, pebble.Sync), batch.Close())
	}
	err := s.each([]byte{spaceFolder}, func(key, value []byte) error {
		st, err := decodeState(nil, keyNumber(key, 1), value)
		if err != nil {
			return err
		}
		st.validity = s.newValidity()
		_ = batch.Set(key, st.encode(), nil)
		if batch.Len() < renewAtOnce {
			return nil
		}
		err = commit()
		batch = s.db.NewBatch()
		return err
	})
	return errors.Join(err, commit())
}
