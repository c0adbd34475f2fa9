package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// Item is a message on its way into the store or out of it.
type Item struct {
	Folder   string // "": INBOX
	Content  []byte
	Flags    Flags
	Received time.Time // zero: not known
}

// Export goes through all messages of an account, folder by folder, as they are when their turn comes. The
// last pair has the error, if there is one.
func (s *Store) Export(ctx context.Context, account string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		folders, err := s.Folders(ctx, account)
		if err != nil {
			yield(Item{}, err)
			return
		}
		for _, info := range folders {
			if info.Missing {
				continue
			}
			more, err := s.exportFolder(ctx, account, info.Name, yield)
			if err != nil && !errors.Is(err, ErrNoFolder) {
				yield(Item{}, fmt.Errorf("%s: %w", info.Name, err))
			}
			if err != nil && !errors.Is(err, ErrNoFolder) || !more {
				return
			}
		}
	}
}

func (s *Store) exportFolder(ctx context.Context, account, folder string, yield func(Item, error) bool) (more bool, _ error) {
	f, err := s.OpenFolder(ctx, account, folder)
	if err != nil {
		return true, err
	}
	defer f.Close()
	for _, uid := range f.UIDs() {
		m, ok := f.Get(uid)
		if !ok {
			continue
		}
		content, err := f.Content(ctx, uid)
		if errors.Is(err, ErrNoMessage) {
			continue // expunged meanwhile
		}
		if err != nil {
			return false, err
		}
		if !yield(Item{Folder: folder, Content: content, Flags: m.Flags, Received: m.Received}, nil) {
			return false, nil
		}
	}
	return true, nil
}

const (
	importAtOnce      = 100
	importBytesAtOnce = 4 << 20
)

// Import appends messages to an account, in their order, and makes folders that are missing. It returns how
// many are stored; after an error all before the one that it is about are.
func (s *Store) Import(ctx context.Context, account string, items iter.Seq2[Item, error]) (stored int, err error) {
	in := importer{store: s, ctx: ctx, account: account, known: map[string]bool{}}
	for item, err := range items {
		if err == nil {
			err = in.add(item)
		}
		if err != nil {
			return in.stored, errors.Join(in.flush(), err)
		}
	}
	err = in.flush()
	return in.stored, err
}

type importer struct {
	store   *Store
	ctx     context.Context
	account string
	known   map[string]bool // folders
	waiting []Item
	bytes   int
	stored  int
}

func (in *importer) add(item Item) (err error) {
	if err := checkContent(item.Content); err != nil {
		return err
	}
	item.Flags.Keywords = atoms(item.Flags.Keywords)
	if item.Flags, err = item.Flags.clean(); err != nil {
		return err
	}
	if item.Received.IsZero() {
		item.Received = in.store.now()
	}
	if item.Folder == "" {
		item.Folder = inbox
	}
	if !in.known[item.Folder] {
		if err := in.store.CreateFolder(in.ctx, in.account, item.Folder, NoUse); err != nil && !errors.Is(err, ErrExists) {
			return err
		}
		in.known[item.Folder] = true
	}
	in.waiting = append(in.waiting, item)
	in.bytes += len(item.Content)
	if len(in.waiting) < importAtOnce && in.bytes < importBytesAtOnce {
		return nil
	}
	return in.flush()
}

// atoms leaves out keywords that IMAP has no way to tell of (RFC 9051 9, flag-keyword). Files of other programs may have any
// text there, and one such word would keep its owner out of the folder.
func atoms(keywords []string) []string {
	return slices.DeleteFunc(slices.Clone(keywords), func(k string) bool {
		return k == "" || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) })
	})
}

// flush stores what waits: in one write, or, if that fails, up to the message that cannot be stored.
func (in *importer) flush() error {
	items := in.waiting
	in.waiting, in.bytes = nil, 0
	if len(items) == 0 {
		return nil
	}
	err := in.store.appendAll(in.ctx, in.account, items)
	if err == nil || len(items) == 1 || in.store.Err() != nil || in.ctx.Err() != nil {
		if err == nil {
			in.stored += len(items)
		}
		return err
	}
	for _, item := range items {
		if err := in.store.appendAll(in.ctx, in.account, []Item{item}); err != nil {
			return err
		}
		in.stored++
	}
	return nil
}

// appendAll appends all of the items, which are checked, or none.
func (s *Store) appendAll(ctx context.Context, account string, items []Item) error {
	size := 0
	for _, item := range items {
		size += len(item.Content) + 256
	}
	err := s.change(ctx, size, func(t *txn) error {
		a, folders, err := t.account(account)
		if err != nil {
			return err
		}
		var bytes int64
		for _, item := range items {
			bytes += int64(len(item.Content))
			st := folders[canonical(item.Folder)]
			if st == nil {
				return fmt.Errorf("%w: %q", ErrNoFolder, item.Folder)
			}
			if err := st.uidsLeft(len(items)); err != nil {
				return err
			}
		}
		if err := a.room(bytes); err != nil {
			return err
		}
		a.bytes.Add(bytes)
		for _, item := range items {
			m := t.putContent(item.Content, 1)
			m.received, m.flags = item.Received.UnixMilli(), item.Flags
			t.addMessage(folders[canonical(item.Folder)], m, nil)
		}
		return nil
	})
	if err == nil {
		s.counts.appended.Add(int64(len(items)))
	}
	return err
}

// In files lines end with LF, as other programs expect. A message can be kept so if all of its lines end with CRLF: then it
// comes back byte for byte. Others are kept as they are, with a mark.

// onlyCRLF tells whether all lines end with CRLF, the last one too.
func onlyCRLF(content []byte) bool {
	return bytes.HasSuffix(content, []byte("\r\n")) &&
		bytes.Count(content, []byte("\n")) == bytes.Count(content, []byte("\r\n")) &&
		bytes.Count(content, []byte("\r")) == bytes.Count(content, []byte("\r\n"))
}

func toLF(content []byte) []byte { return bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")) }

// toCRLF ends all lines with CRLF, also those that do already.
func toCRLF(content []byte) []byte {
	out := make([]byte, 0, len(content)+len(content)/32)
	for len(content) > 0 {
		line := content
		if n := bytes.IndexByte(content, '\n'); n >= 0 {
			line = content[:n+1]
		}
		content = content[len(line):]
		end := bytes.HasSuffix(line, []byte("\n"))
		if end && !bytes.HasSuffix(line, []byte("\r\n")) {
			out = append(append(out, line[:len(line)-1]...), "\r\n"...)
		} else {
			out = append(out, line...)
		}
	}
	return out
}
