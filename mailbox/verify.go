package mailbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Accounts, Folders, Messages, Contents int64
	Bytes                                 int64    // of contents, as stored
	Problems                              []string // at most 100; ProblemCount has them all
	ProblemCount                          int64
}

const maxProblems = 100

func (r *VerifyReport) problem(format string, args ...any) {
	if r.ProblemCount++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify reads every record of the store or backup in dir and holds them against each other: numbers of accounts and folders
// against their messages, messages against contents and back. It changes nothing. The store must not be open.
// It takes some 50 bytes of memory for each content. What is wrong is in the report, not in the error.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	return verify(ctx, vfs.Default, dir)
}

func verify(ctx context.Context, fs vfs.FS, dir string) (r VerifyReport, err error) {
	if _, err := fs.Stat(dir); err != nil {
		return r, fmt.Errorf("mailbox: verify: %w", err)
	}
	s := newStore(Options{Log: zap.NewNop()})
	if s.lock, err = lock(dir, fs); err != nil {
		return r, fmt.Errorf("mailbox: verify %s: %w", dir, err)
	}
	o := pebbleOptions(fs, s.budget)
	o.Lock, o.Logger, o.ReadOnly, o.ErrorIfNotExists = s.lock, (*logger)(s), true, true
	defer o.Cache.Unref()
	err = s.contain(func() (err error) {
		s.db, err = pebble.Open(dir, o)
		return err
	})
	if err != nil {
		return r, errors.Join(fmt.Errorf("mailbox: cannot open %s: %w%s", dir, err, advice(err)), s.lock.Close())
	}
	done := make(chan VerifyReport, 1)
	err = s.contain(func() error {
		r, err := verifyAll(ctx, s.db)
		done <- r
		return errors.Join(err, s.db.Close())
	})
	select {
	case r = <-done:
	default: // the disk has failed in the middle
	}
	return r, errors.Join(err, s.lock.Close())
}

// verifier is a check under way. It goes through the key spaces so that each is held against those before.
type verifier struct {
	ctx      context.Context
	db       pebble.Reader
	report   VerifyReport
	accounts map[uint64]*accountState // with what is left of their numbers when messages are taken off
	folders  map[uint64]*folderState
	contents map[uint64]*contentCheck
	stored   int64
}

// contentCheck is what was found of a content.
type contentCheck struct {
	header, body int64
	pieces       uint32
	users        uint64
	alone        bool // a message says that it has it alone
	count        uint64
}

func verifyAll(ctx context.Context, db pebble.Reader) (VerifyReport, error) {
	v := verifier{
		ctx: ctx, db: db, accounts: map[uint64]*accountState{}, folders: map[uint64]*folderState{},
		contents: map[uint64]*contentCheck{},
	}
	var m meta
	steps := []struct {
		space byte
		check func(key, value []byte) error
	}{
		{spaceMeta, func(_, value []byte) (err error) { m, err = decodeMeta(value); return err }},
		{spaceAccount, v.account}, {spaceFolder, v.folder}, {spaceDead, v.dead}, {spaceHeader, v.header}, {spaceBody, v.body},
		{spaceRefs, v.refs}, {spaceMessage, v.message}, {spacePrefix, v.prefix}, {spaceGone, v.gone}, {spaceSub, v.sub},
	}
	for _, s := range steps {
		err := each(db, []byte{s.space}, func(key, value []byte) error {
			if err := s.check(key, value); err != nil {
				v.report.problem("record %q: %v", key, err)
			}
			return ctx.Err()
		})
		if err != nil && ctx.Err() == nil {
			v.report.problem("records %q cannot be read to their end: %v", s.space, err)
		} else if err != nil {
			return v.report, err
		}
	}
	v.compare(m)
	return v.report, nil
}

func (v *verifier) account(key, value []byte) error {
	a, err := decodeAccount(string(key[1:]), value)
	v.accounts[a.id] = a
	v.report.Accounts++
	return err
}

func (v *verifier) folder(key, value []byte) error {
	a := v.accounts[keyNumber(key, 0)]
	if a == nil {
		return errors.New("a folder without an account")
	}
	st, err := decodeState(a, keyNumber(key, 1), value)
	v.folders[st.id] = st
	v.report.Folders++
	a.bytes.Add(-st.bytes)
	a.count.Add(int64(-st.messages))
	return err
}

// dead notes a deleted folder, whose numbers nobody counts any more.
func (v *verifier) dead(key, _ []byte) error {
	if v.folders[keyNumber(key, 0)] != nil {
		return errors.New("a folder is deleted and there")
	}
	v.folders[keyNumber(key, 0)] = &folderState{gone: ErrNoFolder}
	return nil
}

func (v *verifier) header(key, value []byte) error {
	v.contents[keyNumber(key, 0)] = &contentCheck{header: int64(len(value))}
	v.report.Contents++
	v.stored += int64(len(value))
	return nil
}

func (v *verifier) body(key, value []byte) error {
	c := v.contents[keyNumber(key, 0)]
	if c == nil {
		return errors.New("a body without a header")
	}
	if keyUID(key) != c.pieces {
		return fmt.Errorf("a piece is missing before it")
	}
	c.pieces++
	c.body += int64(len(value))
	v.stored += int64(len(value))
	return nil
}

func (v *verifier) refs(key, value []byte) error {
	c := v.contents[keyNumber(key, 0)]
	if c == nil {
		return errors.New("a count without a content")
	}
	c.count, _ = binary.Uvarint(value)
	return nil
}

func (v *verifier) message(key, value []byte) error {
	m, err := decodeMail(value)
	if err != nil {
		return err
	}
	v.report.Messages++
	st, uid := v.folders[keyNumber(key, 0)], keyUID(key)
	if st == nil {
		return errors.New("a message without a folder")
	}
	if st.gone == nil {
		st.count(m.flags.System, m.size(), -1)
		if uid >= st.next || m.modseq > st.modseq {
			return fmt.Errorf("ahead of its folder: UID %d of %d, modseq %d of %d", uid, st.next, m.modseq, st.modseq)
		}
	}
	c := v.contents[m.content]
	if c == nil {
		return fmt.Errorf("content %d is missing", m.content)
	}
	if c.header != int64(m.header) || c.body != int64(m.body) {
		return fmt.Errorf("content %d has %d+%d bytes, not %d+%d", m.content, c.header, c.body, m.header, m.body)
	}
	c.users++
	c.alone = c.alone || !m.shared
	if m.prefix > 0 {
		b, closer, err := v.db.Get(uidKey(spacePrefix, keyNumber(key, 0), uid))
		if err != nil {
			return fmt.Errorf("its own header: %w", err)
		}
		if len(b) != int(m.prefix) {
			return errors.Join(fmt.Errorf("its own header has %d bytes, not %d", len(b), m.prefix), closer.Close())
		}
		return closer.Close()
	}
	return nil
}

func (v *verifier) prefix(key, value []byte) error {
	v.stored += int64(len(value))
	_, closer, err := v.db.Get(uidKey(spaceMessage, keyNumber(key, 0), keyUID(key)))
	if err != nil {
		return fmt.Errorf("its message: %w", err)
	}
	return closer.Close()
}

func (v *verifier) gone(key, value []byte) error {
	st := v.folders[keyNumber(key, 0)]
	if st == nil {
		return errors.New("expunged in no folder")
	}
	if at := keyNumber(key, 1); st.gone == nil && (at > st.modseq || at <= st.floor) {
		return fmt.Errorf("modseq %d is not between %d and %d", at, st.floor, st.modseq)
	}
	_, err := decodeRuns(value)
	return err
}

func (v *verifier) sub(key, _ []byte) error {
	if v.accounts[keyNumber(key, 0)] == nil {
		return errors.New("a subscription without an account")
	}
	return nil
}

// compare looks at what is left when everything is taken off.
func (v *verifier) compare(m meta) {
	for _, a := range v.accounts {
		if a.bytes.Load() != 0 || a.count.Load() != 0 {
			v.report.problem("account %s counts %d bytes and %d messages more than its folders", a.name, a.bytes.Load(), a.count.Load())
		}
	}
	for id, st := range v.folders {
		if st.gone == nil && (st.messages != 0 || st.bytes != 0 || st.unseen != 0 || st.deleted != 0 || st.deletedBytes != 0) {
			v.report.problem("folder %s of %s (%d) counts more than its messages: %d, %d bytes, %d unseen, %d deleted with %d bytes",
				st.name, st.account.name, id, st.messages, st.bytes, st.unseen, st.deleted, st.deletedBytes)
		}
	}
	for id, c := range v.contents {
		switch {
		case c.users == 0:
			v.report.problem("content %d belongs to no message", id)
		case c.alone && (c.users > 1 || c.count > 0), !c.alone && c.count != c.users:
			v.report.problem("content %d has %d messages, its count says %d (alone: %v)", id, c.users, c.count, c.alone)
		}
	}
	v.report.Bytes = v.stored
	if m.bytes != v.stored {
		v.report.problem("%d bytes of content are stored, the counter says %d", v.stored, m.bytes)
	}
}
