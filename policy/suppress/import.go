package suppress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/posthaste-mta/posthaste/policy/store"
)

// A file is imported as a whole or not at all, in memory that does not grow with it. Its lines are
// checked one by one and laid aside in the table Imports. When the last is found good, one record is
// made durable that says so: from then on the import has happened, and a crash leaves it to the next
// Open to finish moving the lines to the lists. Without that record they are thrown away.

// ImportResult tells what an import has done.
type ImportResult struct {
	Lines    int64 // entries read
	New      int64 // of them, not on a list before
	Replaced int64 // on a list before, or twice in the file: the later line holds
}

// ErrImporting tells that another import is under way.
var ErrImporting = errors.New("suppress: another import is under way")

// Keys of the table Imports: the record that an import has happened, and before a key of
// Suppressions a byte that keeps it apart.
const (
	keyCommitted = 'c'
	keyLine      = 'l'
)

const importChunk = 512 // entries in one batch

// Import enters all entries of a file, or none: the error is an *ImportError if lines are wrong.
// tenant owns the lines that do not name a tenant. An entry that is on the list already is replaced.
// While the import is being finished, which takes some seconds for a million lines, look-ups may see
// the first part of it.
func (l *List) Import(ctx context.Context, r io.Reader, format Format, tenant string) (ImportResult, error) {
	if !l.importing.TryLock() {
		return ImportResult{}, ErrImporting
	}
	defer l.importing.Unlock()
	in, err := newLines(r, format, tenant)
	if err != nil {
		return ImportResult{}, err
	}
	res, err := l.stage(ctx, in)
	if err != nil {
		if err := l.dropStaged(context.WithoutCancel(ctx)); err != nil {
			return ImportResult{}, err
		}
		return ImportResult{}, err
	}
	ctx = context.WithoutCancel(ctx) // a half-way stop would be finished by the next Open
	if err := l.store.Apply(ctx, true, committed([]byte{recordVersion})); err != nil {
		return ImportResult{}, err
	}
	if res.New, err = l.finishImport(ctx); err != nil {
		return ImportResult{}, fmt.Errorf("suppress: the import will be finished at the next start: %w", err)
	}
	res.Replaced = res.Lines - res.New
	return res, nil
}

func committed(value []byte) store.Change {
	return store.Change{Table: store.Imports, Key: []byte{keyCommitted}, Value: value}
}

// stage checks all lines and lays them aside.
func (l *List) stage(ctx context.Context, in lines) (ImportResult, error) {
	var res ImportResult
	var wrong ImportError
	var changes []store.Change
	now := l.now()
	whole := context.WithoutCancel(ctx) // a write given up may still come, behind dropStaged
	for {
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		e, line, err := in.next()
		if err == io.EOF {
			break
		}
		one := true // the error concerns this line alone
		if err != nil {
			_, one = errors.AsType[lineError](err)
		} else {
			if e.Reason == "" {
				e.Reason = Imported
			}
			e, err = e.normal(now)
		}
		if err != nil {
			if !wrong.add(line, err) || !one {
				wrong.Unread = true
				return res, &wrong
			}
			continue
		}
		res.Lines++
		if len(wrong.Problems) > 0 {
			continue // nothing will come of it; look for more that is wrong
		}
		key := append([]byte{keyLine}, appendKey(nil, e.Tenant, e.Target)...)
		changes = append(changes, store.Change{Table: store.Imports, Key: key, Value: appendRecord(nil, &e)})
		if len(changes) == importChunk {
			if err := l.store.Apply(whole, false, changes...); err != nil {
				return res, err
			}
			changes = changes[:0]
		}
	}
	if len(wrong.Problems) > 0 {
		return res, &wrong
	}
	return res, l.store.Apply(whole, false, changes...)
}

// finishImport moves what is laid aside to the lists and tells how much of it was not on them. Each
// batch moves its lines as a whole, so that it can be done again from wherever it stopped.
func (l *List) finishImport(ctx context.Context) (added int64, err error) {
	listed, stop := iter.Pull2(l.store.Scan(store.Suppressions, nil))
	defer stop()
	old, err, more := listed()
	err = l.eachStaged(func(staged []store.Entry) error {
		changes := make([]store.Change, 0, 2*len(staged))
		news := int64(len(staged))
		for _, e := range staged {
			key := e.Key[1:]
			changes = append(changes,
				store.Change{Table: store.Suppressions, Key: key, Value: e.Value},
				store.Change{Table: store.Imports, Key: e.Key})
			for more && err == nil && bytes.Compare(old.Key, key) < 0 {
				old, err, more = listed()
			}
			if err != nil {
				return err
			}
			if more && bytes.Equal(old.Key, key) {
				news--
			}
		}
		l.changing.RLock()
		defer l.changing.RUnlock()
		if err := l.enter(ctx, false, changes); err != nil {
			return err
		}
		added += news
		l.delta.Add(news)
		return nil
	})
	if err != nil {
		return added, err
	}
	return added, l.store.Apply(ctx, true, committed(nil))
}

// dropStaged throws away what is laid aside.
func (l *List) dropStaged(ctx context.Context) error {
	return l.eachStaged(func(staged []store.Entry) error {
		changes := make([]store.Change, len(staged))
		for i, e := range staged {
			changes[i] = store.Change{Table: store.Imports, Key: e.Key}
		}
		return l.store.Apply(ctx, false, changes...)
	})
}

// eachStaged gives out what is laid aside, in chunks.
func (l *List) eachStaged(f func([]store.Entry) error) error {
	var chunk []store.Entry
	for e, err := range l.store.Scan(store.Imports, []byte{keyLine}) {
		if err != nil {
			return err
		}
		if chunk = append(chunk, e); len(chunk) == importChunk {
			if err := f(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return f(chunk)
}

// recoverImport finishes what a crash has cut short, or throws it away.
func (l *List) recoverImport(ctx context.Context) error {
	_, err := l.store.Get(store.Imports, []byte{keyCommitted})
	switch {
	case err == nil:
		_, err := l.finishImport(ctx)
		return err
	case errors.Is(err, store.ErrNotFound):
		return l.dropStaged(ctx)
	default:
		return err
	}
}
