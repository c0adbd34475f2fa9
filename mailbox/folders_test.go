package mailbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// list shows Ann's folders: name, special use, + if subscribed, ? if missing.
func list(t *testing.T, s *Store) string {
	t.Helper()
	folders, err := s.Folders(t.Context(), ann)
	must(t, err)
	var b []string
	for _, f := range folders {
		text := f.Name
		if f.Use > Inbox {
			text += fmt.Sprintf("=%d", f.Use)
		}
		if f.Subscribed {
			text += "+"
		}
		if f.Missing {
			text += "?"
		}
		b = append(b, text)
	}
	return strings.Join(b, " ")
}

func TestFolderList(t *testing.T) {
	s := withAnn(t, Options{})
	ctx := t.Context()
	same(t, list(t, s), "INBOX+ Archive=6+ Drafts=2+ Junk=4+ Sent=3+ Trash=5+")
	for _, f := range []string{"Drafts", "Junk", "Sent", "Archive"} {
		must(t, s.DeleteFolder(ctx, ann, f))
		must(t, s.Subscribe(ctx, ann, f, false))
	}
	woken := s.Watch(ann)
	must(t, s.CreateFolder(ctx, ann, "a/b/c", NoUse))
	<-woken
	same(t, list(t, s), "INBOX+ Trash=5+ a a/b a/b/c")
	must(t, s.DeleteFolder(ctx, ann, "a"))
	must(t, s.DeleteFolder(ctx, ann, "a/b"))
	same(t, list(t, s), "INBOX+ Trash=5+ a? a/b? a/b/c")
	must(t, s.Subscribe(ctx, ann, "nowhere", true))
	must(t, s.Subscribe(ctx, ann, "trash", true))
	must(t, s.Subscribe(ctx, ann, "Inbox", false))
	must(t, s.Subscribe(ctx, ann, "Inbox", false))
	same(t, list(t, s), "INBOX Trash=5+ a? a/b? a/b/c nowhere+? trash+?")
	must(t, s.CreateFolder(ctx, ann, "inbox/x", Archive))
	same(t, list(t, s), "INBOX INBOX/x=6 Trash=5+ a? a/b? a/b/c nowhere+? trash+?")
	wantErr(t, s.CreateFolder(ctx, ann, "y", Archive), ErrExists)
	wantErr(t, s.CreateFolder(ctx, ann, "y", Inbox), ErrName)
	wantErr(t, s.CreateFolder(ctx, ann, "Trash", NoUse), ErrExists)
	wantErr(t, s.CreateFolder(ctx, ann, "iNbOx", NoUse), ErrExists)
	wantErr(t, s.DeleteFolder(ctx, ann, "inbox"), ErrInbox)
	wantErr(t, s.DeleteFolder(ctx, ann, "a"), ErrNoFolder)
	for _, name := range []string{"", "/a", "a/", "a//b", "a*", "%", "a\x00", "a\nb", "\xff", strings.Repeat("x", 1001)} {
		wantErr(t, s.CreateFolder(ctx, ann, name, NoUse), ErrName)
		wantErr(t, s.Subscribe(ctx, ann, name, true), ErrName)
		wantErr(t, s.RenameFolder(ctx, ann, "Trash", name), ErrName)
	}
	must(t, s.CreateFolder(ctx, ann, "Grüße & €", NoUse))
	checkStore(t, s)
}

func TestRename(t *testing.T) {
	s := withAnn(t, Options{})
	ctx := t.Context()
	for _, f := range []string{"Drafts", "Junk", "Sent", "Archive", "Trash"} {
		must(t, s.DeleteFolder(ctx, ann, f))
		must(t, s.Subscribe(ctx, ann, f, false))
	}
	must(t, s.CreateFolder(ctx, ann, "a/b/c", Sent))
	must(t, s.CreateFolder(ctx, ann, "ab", NoUse))
	uid := appendTest(t, s, "a/b/c", letter, Flags{})
	f := openFolder(t, s, ann, "a/b/c")
	validity := f.Info().Validity
	must(t, s.RenameFolder(ctx, ann, "a", "x/y"))
	same(t, list(t, s), "INBOX+ ab x x/y x/y/b x/y/b/c=3")
	same(t, f.Info().Name, "x/y/b/c")
	same(t, f.Info().Validity, validity)
	must(t, deliver(t, s, letter))
	same(t, contentOf(t, f, uid), letter)
	appendTest(t, s, "x/y/b/c", letter, Flags{})
	same(t, len(f.UIDs()), 2)
	wantErr(t, s.RenameFolder(ctx, ann, "x", "x/z"), ErrName)
	wantErr(t, s.RenameFolder(ctx, ann, "x", "x"), ErrExists)
	wantErr(t, s.RenameFolder(ctx, ann, "x", "ab"), ErrExists)
	wantErr(t, s.RenameFolder(ctx, ann, "x", "inbox"), ErrExists)
	wantErr(t, s.RenameFolder(ctx, ann, "nowhere", "n"), ErrNoFolder)
	must(t, s.RenameFolder(ctx, ann, "x/y", "z"))
	same(t, list(t, s), "INBOX+ ab x z z/b z/b/c=3")

	in := openFolder(t, s, ann, "")
	before := in.Info()
	must(t, s.RenameFolder(ctx, ann, "inbox", "old/2026"))
	same(t, list(t, s), "INBOX+ ab old old/2026 x z z/b z/b/c=3")
	same(t, len(in.UIDs()), 0)
	same(t, in.Info().Validity, before.Validity)
	same(t, in.Info().Next, before.Next)
	same(t, openFolder(t, s, ann, "old/2026").UIDs(), []uint32{1})
	wantErr(t, s.RenameFolder(ctx, ann, "inbox", "old"), ErrExists)
	checkStore(t, s)
}

func TestFoldersAreBounded(t *testing.T) {
	s := withAnn(t, Options{})
	var err error
	n := 0
	for ; err == nil && n < maxFolders; n++ {
		err = s.CreateFolder(t.Context(), ann, fmt.Sprint("f", n), NoUse)
	}
	wantErr(t, err, ErrLimit)
	wantErr(t, s.CreateFolder(t.Context(), ann, strings.Repeat("a/", 499)+"b", NoUse), ErrLimit)
	folders, err := s.Folders(t.Context(), ann)
	must(t, err)
	same(t, len(folders), maxFolders)
	same(t, slices.IsSortedFunc(folders[1:], func(a, b Info) int { return strings.Compare(a.Name, b.Name) }), true)
}
