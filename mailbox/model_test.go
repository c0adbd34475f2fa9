package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The model of a store: what every account, folder and message must be.

type modelStore map[string]*modelAccount

type modelAccount struct {
	quota   int64
	folders map[string]*modelFolder
	subs    map[string]bool
}

type modelFolder struct {
	validity uint32
	mails    map[uint32]modelMail
	modseq   uint64 // at least
	next     uint32 // at least
}

type modelMail struct {
	content string // prefix included; no two are the same but copies
	flags   string
}

func (a *modelAccount) bytes() (n int64) {
	for _, f := range a.folders {
		for _, m := range f.mails {
			n += int64(len(m.content))
		}
	}
	return n
}

func (f *modelFolder) uids() []uint32 { return slices.Sorted(maps.Keys(f.mails)) }

// put adds a message.
func (f *modelFolder) put(m modelMail) {
	f.mails[f.next] = m
	f.next++
}

// putAt adds a message where the store has it.
func (f *modelFolder) putAt(uid uint32, m modelMail) {
	f.mails[uid] = m
	f.next = max(f.next, uid+1)
}

// room tells whether so many bytes more are within the quota.
func (a *modelAccount) room(size int) bool { return a.quota == 0 || a.bytes()+int64(size) <= a.quota }

func flagText(f Flags) string { return fmt.Sprint(f.System, f.Keywords) }

// look reads everything that a store has.
func look(s *Store) (modelStore, error) {
	ctx := context.Background()
	seen := modelStore{}
	list, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		seen[a.Name] = &modelAccount{quota: a.Quota, folders: map[string]*modelFolder{}, subs: map[string]bool{}}
		folders, err := s.Folders(ctx, a.Name)
		if err != nil {
			return nil, err
		}
		for _, info := range folders {
			if info.Subscribed {
				seen[a.Name].subs[info.Name] = true
			}
			if info.Missing {
				continue
			}
			if seen[a.Name].folders[info.Name], err = lookFolder(s, a.Name, info); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", info.Name, a.Name, err)
			}
		}
		if n := seen[a.Name].bytes(); n != a.Bytes {
			return nil, fmt.Errorf("%s has %d bytes and counts %d", a.Name, n, a.Bytes)
		}
	}
	return seen, nil
}

func lookFolder(s *Store, account string, info Info) (*modelFolder, error) {
	ctx := context.Background()
	f, err := s.OpenFolder(ctx, account, info.Name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info.Subscribed = false
	if f.Info() != info {
		return nil, fmt.Errorf("the list has %+v, the folder %+v", info, f.Info())
	}
	seen := &modelFolder{validity: info.Validity, mails: map[uint32]modelMail{}, modseq: info.ModSeq, next: info.Next}
	count := folderState{}
	for _, uid := range f.UIDs() {
		m, _ := f.Get(uid)
		content, err := f.Content(ctx, uid)
		if err != nil {
			return nil, err
		}
		header, err := f.Header(ctx, uid)
		if err != nil || !bytes.HasPrefix(content, header) || int64(len(content)) != m.Size || m.ModSeq > info.ModSeq {
			return nil, fmt.Errorf("message %+v has header %q, content %q: %v", m, header, content, err)
		}
		seen.mails[uid] = modelMail{string(content), flagText(m.Flags)}
		count.count(m.Flags.System, m.Size, 1)
	}
	if count.messages != info.Messages || count.unseen != info.Unseen || count.deleted != info.Deleted ||
		count.bytes != info.Bytes || count.deletedBytes != info.DeletedBytes {
		return nil, fmt.Errorf("%+v, but there are %+v", info, count)
	}
	return seen, nil
}

// compare tells how a store differs from its model.
func (m modelStore) compare(seen modelStore) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if a, b := slices.Sorted(maps.Keys(m)), slices.Sorted(maps.Keys(seen)); !slices.Equal(a, b) {
		return fmt.Errorf("accounts %q, want %q", b, a)
	}
	for name, a := range m {
		b := seen[name]
		if a.quota != b.quota || !maps.Equal(a.subs, b.subs) {
			bad("%s has quota %d and subscriptions %v, want %d and %v", name, b.quota, b.subs, a.quota, a.subs)
		}
		if x, y := slices.Sorted(maps.Keys(a.folders)), slices.Sorted(maps.Keys(b.folders)); !slices.Equal(x, y) {
			bad("%s has folders %q, want %q", name, y, x)
			continue
		}
		for folder, f := range a.folders {
			g := b.folders[folder]
			if f.validity != g.validity || !maps.Equal(f.mails, g.mails) {
				bad("%s of %s: validity %d, want %d; %v, want %v", folder, name, g.validity, f.validity, g.mails, f.mails)
			}
			if g.modseq < f.modseq || g.next < f.next {
				bad("%s of %s: modseq %d and next %d after %d and %d", folder, name, g.modseq, g.next, f.modseq, f.next)
			}
			f.modseq, f.next = g.modseq, g.next
		}
	}
	return errors.Join(errs...)
}

// contents returns how many bytes must be stored: every content once, and each copy's own header.
func (m modelStore) contents() (n int64) {
	once := map[string]bool{}
	for _, a := range m {
		for _, f := range a.folders {
			for _, mail := range f.mails {
				prefix, content := split(mail.content)
				n += int64(len(prefix))
				if !once[content] {
					once[content] = true
					n += int64(len(content))
				}
			}
		}
	}
	return n
}
