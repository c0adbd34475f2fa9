package queue

import (
	"context"
	"encoding/binary"
	"fmt"

	"go.uber.org/zap"
)

// Notes are an outbox: what has to be told to somebody else once a settlement is durable. A note is in the
// settlement's batch, so after a crash it is there if and only if the settlement is. Whoever told it drops
// it; what is left at the next start was perhaps not told, or perhaps not durably.

// NoteID names a note; later ones are greater.
type NoteID uint64

// Note is a note that was left.
type Note struct {
	ID   NoteID
	Text []byte
}

// notes numbers the notes. The numbers go on from the clock and from what is left, so that no key is set
// again that SingleDelete has removed.
type notes struct {
	last  uint64
	first uint64 // of this process; those below are left of earlier ones
}

func noteKey(id NoteID) []byte {
	return binary.BigEndian.AppendUint64([]byte{spaceNote}, uint64(id))
}

// SettleNoted is Settle with a note in the same batch, if text is not empty. The caller must not change
// text before it returns.
func (q *Queue) SettleNoted(ctx context.Context, settlements []Settlement, text []byte) (NoteID, error) {
	r := &request{note: text}
	if err := q.settle(ctx, settlements, r); err != nil {
		return 0, err
	}
	return r.noteID, nil
}

// DropNotes removes notes that have been told, each once. It does not sync: a crash may bring them back, until
// any other batch has been synced.
func (q *Queue) DropNotes(ctx context.Context, ids []NoteID) error {
	if len(ids) == 0 {
		return nil
	}
	return q.committer.submit(ctx, &request{drops: ids, unsynced: true})
}

// Notes returns the notes that earlier processes have left, the oldest first. A damaged one is put aside, with a
// line in the log.
func (q *Queue) Notes(ctx context.Context) ([]Note, error) {
	return q.notesBelow(ctx, q.committer.notes.first)
}

func (q *Queue) notesBelow(ctx context.Context, id uint64) ([]Note, error) {
	done, err := q.reading()
	if err != nil {
		return nil, err
	}
	left, damaged, err := readNotes(q.store, id)
	done()
	if err == nil && len(damaged) > 0 {
		for _, n := range damaged {
			q.log.Error("queue: a note of a settlement is damaged and put aside", zap.Uint64("note", uint64(n.ID)))
		}
		err = q.committer.submit(ctx, &request{aside: damaged})
	}
	if err != nil {
		return nil, fmt.Errorf("queue: notes: %w", err)
	}
	return left, nil
}

// readNotes reads the notes below an id. The text of a damaged one is its whole record.
func readNotes(s *store, below uint64) (left, damaged []Note, err error) {
	w, err := newWalk(s, s, []byte{spaceNote}, noteKey(NoteID(below)))
	if err != nil {
		return nil, nil, err
	}
	for ; w.valid(); w.next() {
		key := w.it.Key()
		if len(key) != 9 {
			continue
		}
		id := NoteID(binary.BigEndian.Uint64(key[1:]))
		record, err := w.value()
		if err == nil {
			var text []byte
			if text, err = openRecord(key, record); err == nil {
				left = append(left, Note{id, append([]byte(nil), text...)})
				continue
			}
		}
		damaged = append(damaged, Note{id, append([]byte(nil), record...)})
	}
	return left, damaged, w.close()
}

// startNotes finds out where to begin to number.
func startNotes(s *store, now int64) (notes, error) {
	w, err := newWalk(s, s, []byte{spaceNote}, []byte{spaceNote + 1})
	if err != nil {
		return notes{}, err
	}
	first := max(1, uint64(now))
	for ; w.valid(); w.next() {
		if key := w.it.Key(); len(key) == 9 {
			first = max(first, binary.BigEndian.Uint64(key[1:])+1)
		}
	}
	return notes{last: first - 1, first: first}, w.close()
}

// buildNotes adds to the batch what a request does to notes.
func (c *committer) buildNotes(r *request) {
	if len(r.note) > 0 {
		c.notes.last++
		r.noteID = NoteID(c.notes.last)
		op := c.batch.SetDeferred(9, sumLen+len(r.note))
		copy(op.Key, noteKey(r.noteID))
		binary.BigEndian.PutUint32(op.Value, sum(op.Key, r.note))
		copy(op.Value[sumLen:], r.note)
		_ = op.Finish()
	}
	for _, id := range r.drops {
		c.remove(noteKey(id))
	}
	for _, n := range r.aside {
		c.set(append([]byte{spaceAside}, noteKey(n.ID)...), n.Text)
		c.remove(noteKey(n.ID))
	}
}
