package mailbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMaildirLooksSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	n, err := WriteMaildir(dir, sequence(
		Item{Received: noon, Content: []byte("A: b\r\n\r\nx\r\n"), Flags: Flags{System: Seen | Answered | Draft, Keywords: []string{"$Forwarded", "b", "k"}}},
		Item{Received: noon.Add(time.Millisecond), Folder: "Work/a.b", Content: []byte("A: b\n"), Flags: Flags{Keywords: []string{"k"}}},
		Item{Folder: "Grüße & €", Content: []byte("x")},
	))
	must(t, err)
	same(t, n, 3)
	var files []string
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && d.Name() != "maildirfolder" {
			files = append(files, name)
		}
		return err
	}))
	slices.Sort(files)
	same(t, files, []string{
		".Gr&APwA3w-e &- &IKw-/cur/0.M000000Q000000002.posthaste,S=1,W=1:2,",
		".Work.a&AC4-b/cur/1772366400.M001000Q000000001.posthaste,S=5,W=5:2,a",
		".Work.a&AC4-b/dovecot-keywords",
		"cur/1772366400.M000000Q000000000.posthaste,S=8,W=11:2,DPRSab",
		"dovecot-keywords",
	})
	b, err := os.ReadFile(filepath.Join(dir, keywordsFile))
	must(t, err)
	same(t, string(b), "0 b\n1 k\n")
}

func TestMaildirOfOthers(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	must(t, os.WriteFile(secret, []byte("secret"), 0o600))
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, "m", name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(content), 0o600))
		must(t, os.Chtimes(path, noon, noon))
	}
	put("new/1700000002.M5P77.host", "Subject: new\n\nx")
	put("cur/1700000001.M7P77.host,S=14:2,FSTz", "Subject: a\r\n\n\n")
	put("cur/1700000001.M6P77.host:2,", "Subject: b\n\n")
	put("cur/odd name", "Subject: odd\n\n")
	put("tmp/1700000001.M1P1.host", "not done")
	put("cur/.hidden", "no message")
	put(".Sent.2026/cur/1:2,R", "Subject: sent\n\n")
	put(".notes/readme", "no folder")
	must(t, os.Symlink(secret, filepath.Join(dir, "m", "cur", "9.link:2,")))
	var got []string
	for _, item := range collect(t, ReadMaildir(filepath.Join(dir, "m"), 0)) {
		got = append(got, item.Folder+" "+flagText(item.Flags)+" "+string(item.Content))
		same(t, item.Received, noon)
	}
	same(t, got, []string{
		"INBOX 0 [] Subject: odd\r\n\r\n", "INBOX 0 [] Subject: b\r\n\r\n", "INBOX 13 [] Subject: a\r\n\r\n\r\n", "INBOX 0 [] Subject: new\r\n\r\nx",
		"Sent/2026 2 [] Subject: sent\r\n\r\n",
	})
	for _, err := range ReadMaildir(filepath.Join(dir, "m"), 5) {
		wantErr(t, err, ErrLimit)
	}
	for _, err := range ReadMaildir(dir, 0) {
		wantErr(t, err, os.ErrNotExist)
	}
	must(t, os.MkdirAll(filepath.Join(dir, "m", ".a&b", "cur"), 0o700))
	for _, err := range ReadMaildir(filepath.Join(dir, "m"), 0) {
		wantErr(t, err, ErrName)
	}
}

func TestMaildirComesBack(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(top, "m")
		if err != nil {
			r.Fatal(err)
		}
		items := rapid.SliceOfN(rapid.Custom(drawItem), 0, 4).Draw(r, "items")
		if _, err := WriteMaildir(dir, sequence(items...)); err != nil {
			r.Fatal(err)
		}
		if len(items) == 0 {
			return
		}
		if err := os.MkdirAll(filepath.Join(dir, "cur"), 0o700); err != nil { // the INBOX may have none
			r.Fatal(err)
		}
		back := map[string][]Item{}
		for item, err := range ReadMaildir(dir, 0) {
			if err != nil {
				r.Fatal(err)
			}
			back[item.Folder] = append(back[item.Folder], item)
		}
		slices.SortStableFunc(items, func(a, b Item) int { return a.Received.Compare(b.Received) })
		for _, item := range items {
			same := back[item.Folder]
			if len(same) == 0 {
				r.Fatalf("%+v did not come back: %+v", item, back)
			}
			got := same[0]
			back[item.Folder] = same[1:]
			if string(got.Content) != string(item.Content) || !got.Flags.equal(item.Flags) || !got.Received.Equal(item.Received) {
				r.Fatalf("%+v came back as %+v", item, got)
			}
		}
	})
}

func FuzzUTF7(f *testing.F) {
	for _, seed := range []string{"", "&", "&-", "&AC4-", "Grüße", "&APwA3w-", "&2D3eAA-", "a&b", "&AA-", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, err := decodeUTF7(s); err == nil {
			if back, err := decodeUTF7(encodeUTF7(name)); err != nil || back != name {
				t.Errorf("%q became %q: %v", name, back, err)
			}
		}
		if clean := strings.ToValidUTF8(s, "?"); clean != "" {
			if back, err := decodeUTF7(encodeUTF7(clean)); err != nil || back != clean {
				t.Errorf("%q became %q: %v", clean, back, err)
			}
		}
	})
}
