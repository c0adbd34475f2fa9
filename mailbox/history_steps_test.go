package mailbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// deliver delivers a message to the INBOXes of some accounts: all copies or none, but for those that are
// refused.
func (h *history) deliver() *step {
	content, s, ctx := h.content(), h.s, context.Background()
	d := Delivery{ID: fmt.Sprint("q", h.token), Content: []byte(content)}
	copies := map[string]modelMail{}
	for _, name := range accountNames {
		if h.r.IntN(2) == 0 {
			prefix := "To: " + name + "\r\n"
			copies[name] = modelMail{prefix + content, flagText(Flags{})}
			d.Copies = append(d.Copies, Copy{Account: name, Key: name, Header: []byte(prefix)})
		}
	}
	where := func(seen modelStore, name string) (uint32, bool) {
		if seen[name] == nil {
			return 0, false
		}
		for uid, m := range seen[name].folders[inbox].mails {
			if m.content == copies[name].content {
				return uid, true
			}
		}
		return 0, false
	}
	again := h.r.IntN(4) == 0
	st := &step{what: fmt.Sprintf("delivery %s to %q", d.ID, slices.Sorted(maps.Keys(copies))), parallel: true}
	st.run = func() error {
		for range 2 {
			errs, err := s.Deliver(ctx, d)
			if err != nil {
				return err
			}
			for _, err := range errs {
				if err != nil && !errors.Is(err, ErrNoAccount) && !errors.Is(err, ErrOverQuota) {
					return err
				}
			}
			if !again {
				break
			}
		}
		return nil
	}
	st.happened = func(seen modelStore) bool {
		did := len(copies) == 0 || st.sure // apply knows more
		for name := range copies {
			_, found := where(seen, name)
			did = did || found
		}
		return did
	}
	st.apply = func(seen modelStore) error {
		for name, mail := range copies {
			a := h.m[name]
			if a == nil {
				continue
			}
			fits := a.room(len(mail.content))
			if seen == nil {
				if fits {
					a.folders[inbox].put(mail)
				}
				continue
			}
			uid, found := where(seen, name)
			if found {
				a.folders[inbox].putAt(uid, mail)
			} else if a.quota == 0 {
				return fmt.Errorf("the copy of %s is missing", name)
			}
		}
		return nil
	}
	return st
}

// change is a change of one account.
func (h *history) change(name string) *step {
	a := h.m[name]
	if a == nil {
		return h.add(name)
	}
	switch h.r.IntN(20) {
	case 0:
		return h.remove(name)
	case 1:
		return h.setQuota(name, a)
	case 2, 3:
		return h.create(name, a)
	case 4:
		return h.delete(name, a)
	case 5:
		return h.rename(name, a)
	case 6:
		return h.subscribe(name, a)
	case 7, 8, 9:
		return h.append(name, a)
	case 10, 11, 12:
		return h.flag(name, a)
	case 13, 14, 15:
		return h.expunge(name, a)
	case 16, 17:
		return h.transfer(name, a, false)
	default:
		return h.transfer(name, a, true)
	}
}

func (h *history) add(name string) *step {
	s := h.s
	return &step{
		what: "add " + name,
		run:  func() error { return s.Add(context.Background(), name, 0) },
		apply: func(seen modelStore) (err error) {
			if seen == nil {
				if seen, err = look(s); err != nil {
					return err
				}
			}
			a := seen[name]
			if a == nil || len(a.folders) != 6 || len(a.subs) != 6 || a.bytes() != 0 {
				return fmt.Errorf("a new account has %+v", a)
			}
			h.m[name] = a
			return nil
		},
		happened: func(seen modelStore) bool { return seen[name] != nil },
	}
}

func (h *history) remove(name string) *step {
	s := h.s
	return &step{
		what:     "remove " + name,
		run:      func() error { return s.Remove(context.Background(), name) },
		apply:    func(modelStore) error { delete(h.m, name); return nil },
		happened: func(seen modelStore) bool { return seen[name] == nil },
	}
}

func (h *history) setQuota(name string, a *modelAccount) *step {
	s := h.s
	h.token++
	quota := int64(h.token)
	if h.r.IntN(2) == 0 {
		quota = 1_000_000 + int64(h.token)
	}
	return &step{
		what:     fmt.Sprintf("quota %d of %s", quota, name),
		run:      func() error { return s.SetQuota(context.Background(), name, quota) },
		apply:    func(modelStore) error { a.quota = quota; return nil },
		happened: func(seen modelStore) bool { return seen[name].quota == quota },
	}
}

func (h *history) create(name string, a *modelAccount) *step {
	s, folder := h.s, h.folder()
	st := &step{what: "create " + folder + " of " + name, parallel: true}
	if a.folders[folder] != nil {
		st.want = ErrExists
	}
	st.run = func() error { return s.CreateFolder(context.Background(), name, folder, NoUse) }
	st.happened = func(seen modelStore) bool { return seen[name].folders[folder] != nil }
	st.apply = func(seen modelStore) error {
		return h.learn(name, append(parents(folder), folder), seen)
	}
	return st
}

// learn adds new folders to the model, of those that it does not have. Their validities must be such that no
// folder has had.
func (h *history) learn(account string, folders []string, seen modelStore) (err error) {
	if seen == nil {
		if seen, err = look(h.s); err != nil {
			return err
		}
	}
	for _, folder := range folders {
		if h.m[account].folders[folder] != nil {
			continue
		}
		f := seen[account].folders[folder]
		if f == nil || len(f.mails) > 0 {
			return fmt.Errorf("the new folder is %+v", f)
		}
		for key := range h.mails {
			if uint32(key>>32) == f.validity {
				return fmt.Errorf("validity %d again", f.validity)
			}
		}
		h.m[account].folders[folder] = f
	}
	return nil
}

func (h *history) delete(name string, a *modelAccount) *step {
	s, folder := h.s, h.folder()
	st := &step{what: "delete " + folder + " of " + name, parallel: true}
	switch {
	case folder == inbox:
		st.want = ErrInbox
	case a.folders[folder] == nil:
		st.want = ErrNoFolder
	}
	st.run = func() error { return s.DeleteFolder(context.Background(), name, folder) }
	st.happened = func(seen modelStore) bool { return seen[name].folders[folder] == nil }
	st.apply = func(modelStore) error { delete(a.folders, folder); return nil }
	return st
}

func (h *history) rename(name string, a *modelAccount) *step {
	s, from, to := h.s, h.folder(), h.folder()
	if from == inbox || to == inbox || strings.HasPrefix(to, from) || strings.HasPrefix(from, to) {
		return nil
	}
	st := &step{what: fmt.Sprintf("rename %s to %s of %s", from, to, name), parallel: true}
	moved := map[string]string{}
	for f := range a.folders {
		if f == from || strings.HasPrefix(f, from+"/") {
			moved[f] = to + strings.TrimPrefix(f, from)
			if a.folders[moved[f]] != nil {
				st.want = ErrExists
			}
		}
	}
	if a.folders[from] == nil {
		st.want = ErrNoFolder
	}
	st.run = func() error { return s.RenameFolder(context.Background(), name, from, to) }
	st.happened = func(seen modelStore) bool { return seen[name].folders[from] == nil }
	st.apply = func(seen modelStore) error {
		if err := h.learn(name, parents(to), seen); err != nil {
			return err
		}
		for f, g := range moved {
			a.folders[g] = a.folders[f]
			delete(a.folders, f)
		}
		return nil
	}
	return st
}

func (h *history) subscribe(name string, a *modelAccount) *step {
	s, folder, on := h.s, h.folder(), h.r.IntN(2) == 0
	return &step{
		what:     fmt.Sprintf("subscribe %s of %s: %v", folder, name, on),
		run:      func() error { return s.Subscribe(context.Background(), name, folder, on) },
		happened: func(seen modelStore) bool { return seen[name].subs[folder] == on },
		apply: func(modelStore) error {
			if delete(a.subs, folder); on {
				a.subs[folder] = true
			}
			return nil
		},
		parallel: true,
	}
}

func (h *history) append(name string, a *modelAccount) *step {
	s, folder, content := h.s, h.folder(), h.content()
	flags := Flags{System: System(h.r.IntN(32)), Keywords: []string{"k"}}
	mail := modelMail{content, flagText(flags)}
	f := a.folders[folder]
	st := &step{what: "append to " + folder + " of " + name, parallel: folder != inbox}
	switch {
	case f == nil:
		st.want = ErrNoFolder
	case !a.room(len(content)):
		st.want = ErrOverQuota
	}
	st.run = func() error {
		_, _, err := s.Append(context.Background(), name, folder, []byte(content), flags, time.Time{})
		return err
	}
	st.happened = func(seen modelStore) bool { return seen[name].folders[folder].next > f.next }
	st.apply = func(modelStore) error { f.put(mail); return nil }
	return st
}

// choose picks a folder that has mail, and some of its UIDs.
func (h *history) choose(a *modelAccount) (string, []uint32) {
	folder := h.folder()
	f := a.folders[folder]
	if f == nil || len(f.mails) == 0 {
		return "", nil
	}
	var uids []uint32
	for _, uid := range f.uids() {
		if h.r.IntN(2) == 0 {
			uids = append(uids, uid)
		}
	}
	if len(uids) == 0 {
		uids = f.uids()[:1]
	}
	return folder, uids
}

// with opens a folder for a call.
func with(s *Store, account, folder string, call func(f *Folder) error) error {
	f, err := s.OpenFolder(context.Background(), account, folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return call(f)
}

func (h *history) flag(name string, a *modelAccount) *step {
	s := h.s
	folder, uids := h.choose(a)
	if folder == "" {
		return nil
	}
	h.token++
	flags := Flags{System: System(h.r.IntN(32)), Keywords: []string{fmt.Sprint("k", h.token)}}
	f := a.folders[folder]
	return &step{
		what: fmt.Sprintf("flag %d of %s of %s", uids, folder, name),
		run: func() error {
			return with(s, name, folder, func(f *Folder) error {
				changed, _, err := f.SetFlags(context.Background(), uids, SetFlags, flags, 0)
				if err == nil && len(changed) != len(uids) {
					err = fmt.Errorf("%d changed of %d", len(changed), len(uids))
				}
				return err
			})
		},
		happened: func(seen modelStore) bool { return seen[name].folders[folder].mails[uids[0]].flags == flagText(flags) },
		apply: func(modelStore) error {
			for _, uid := range uids {
				f.mails[uid] = modelMail{f.mails[uid].content, flagText(flags)}
			}
			return nil
		},
		parallel: true,
	}
}

func (h *history) expunge(name string, a *modelAccount) *step {
	s := h.s
	folder, uids := h.choose(a)
	if folder == "" {
		return nil
	}
	f := a.folders[folder]
	return &step{
		what: fmt.Sprintf("expunge %d of %s of %s", uids, folder, name),
		run: func() error {
			return with(s, name, folder, func(f *Folder) error {
				before := f.Info().ModSeq
				gone, err := f.Expunge(context.Background(), uids)
				if err != nil {
					return err
				}
				if _, since, _, ok := f.Since(before); !slices.Equal(gone, uids) || !ok || !slices.Equal(since, uids) {
					return fmt.Errorf("gone %d, since %d", gone, since)
				}
				return nil
			})
		},
		happened: func(seen modelStore) bool {
			_, there := seen[name].folders[folder].mails[uids[0]]
			return !there
		},
		apply: func(modelStore) error {
			for _, uid := range uids {
				delete(f.mails, uid)
			}
			return nil
		},
		parallel: true,
	}
}

func (h *history) transfer(name string, a *modelAccount, move bool) *step {
	s, to := h.s, h.folder()
	folder, uids := h.choose(a)
	if folder == "" {
		return nil
	}
	from, dest := a.folders[folder], a.folders[to]
	size := 0
	for _, uid := range uids {
		size += len(from.mails[uid].content)
	}
	st := &step{what: fmt.Sprintf("transfer %d of %s of %s to %s, move %v", uids, folder, name, to, move), parallel: to != inbox}
	switch {
	case dest == nil:
		st.want = ErrNoFolder
	case !move && !a.room(size):
		st.want = ErrOverQuota
	}
	st.run = func() error {
		return with(s, name, folder, func(f *Folder) error {
			call := f.CopyTo
			if move {
				call = f.MoveTo
			}
			_, from, to, err := call(context.Background(), uids, to)
			if err == nil && (!slices.Equal(from, uids) || len(to) != len(uids)) {
				err = fmt.Errorf("from %d to %d", from, to)
			}
			return err
		})
	}
	st.happened = func(seen modelStore) bool { return seen[name].folders[to].next > dest.next }
	st.apply = func(modelStore) error {
		for _, uid := range uids {
			dest.put(from.mails[uid])
			if move {
				delete(from.mails, uid)
			}
		}
		return nil
	}
	return st
}
