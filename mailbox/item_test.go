package mailbox

import (
	"bytes"
	"fmt"
	"testing"
)

// An account goes to another store and is the same there.
func TestExportAndImport(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, s.CreateFolder(t.Context(), ann, "Work/2026", NoUse))
	for i := range 250 {
		folder := []string{"", "Work/2026", "Sent"}[i%3]
		flags := Flags{System: System(i % 32), Keywords: []string{fmt.Sprint("k", i%5)}}
		appendTest(t, s, folder, fmt.Sprintf("Subject: %d\r\n\r\nbody\r\n", i), flags)
	}
	must(t, deliver(t, s, letter))
	before, err := look(s)
	must(t, err)
	dir := t.TempDir()
	n, err := WriteMaildir(dir, s.Export(t.Context(), ann))
	must(t, err)
	same(t, n, 251)
	var mbox bytes.Buffer
	_, err = WriteMbox(&mbox, s.Export(t.Context(), ann))
	must(t, err)
	for i, source := range []func() (int, error){
		func() (int, error) { return s.Import(t.Context(), bob, ReadMaildir(dir, 0)) },
		func() (int, error) { return s.Import(t.Context(), bob, ReadMbox(&mbox, 0)) },
	} {
		n, err := source()
		must(t, err)
		same(t, n, 251)
		after, err := look(s)
		must(t, err)
		for name, f := range before[ann].folders {
			if name == "Trash" || len(f.mails) == 0 {
				continue
			}
			got := after[bob].folders[name]
			for _, uid := range f.uids() {
				if got.mails[uid] != f.mails[uid] {
					t.Errorf("import %d: %s %d is %v, was %v", i, name, uid, got.mails[uid], f.mails[uid])
				}
			}
		}
		must(t, s.Remove(t.Context(), bob))
		must(t, s.Add(t.Context(), bob, 0))
	}
	checkStore(t, s)
}

// What does not fit any more ends an import; what was before it is stored.
func TestImportToItsLimit(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, s.SetQuota(t.Context(), ann, 1000))
	var items []Item
	for i := range 300 {
		items = append(items, Item{Folder: "x/y", Content: []byte(fmt.Sprintf("A: %04d\r\n\r\n", i))}) // 11 bytes
	}
	n, err := s.Import(t.Context(), ann, sequence(items...))
	wantErr(t, err, ErrOverQuota)
	same(t, n, 90)
	n, err = s.Import(t.Context(), bob, sequence(items[0], Item{Content: []byte("\x00")}, items[1]))
	wantErr(t, err, ErrNUL)
	same(t, n, 1)
	_, err = s.Import(t.Context(), "eve@example.com", sequence(items[0]))
	wantErr(t, err, ErrNoAccount)
	n, err = s.Import(t.Context(), bob, sequence(Item{Folder: "a%", Content: []byte("x")}))
	wantErr(t, err, ErrName)
	same(t, n, 0)
	checkStore(t, s)
}

// Keywords that no IMAP client could be told of stay behind; their message does not.
func TestImportLeavesStrangeKeywords(t *testing.T) {
	s := withAnn(t, Options{})
	strange := Flags{System: Seen, Keywords: []string{"$Junk", "a\r\n* BYE", "two words", "Réunion", `\Seen`, "a)", ""}}
	n, err := s.Import(t.Context(), ann, sequence(Item{Content: []byte("x"), Flags: strange}))
	must(t, err)
	same(t, n, 1)
	f, err := s.OpenFolder(t.Context(), ann, "INBOX")
	must(t, err)
	defer f.Close()
	m, _ := f.Get(f.UIDs()[0])
	same(t, m.Flags, Flags{System: Seen, Keywords: []string{"$Junk"}})
}
