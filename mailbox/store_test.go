package mailbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

const ann, bob = "ann@example.com", "bob@example.com"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	if o.FS == nil && o.Dir == "" {
		o.FS = vfs.NewMem()
	}
	if o.Dir == "" {
		o.Dir = "mailbox"
	}
	if o.Memory == 0 {
		o.Memory = minMemory
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// withAnn opens a store in which Ann and Bob have accounts.
func withAnn(t testing.TB, o Options) *Store {
	s := openTest(t, o)
	must(t, s.Add(t.Context(), ann, 0))
	must(t, s.Add(t.Context(), bob, 0))
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func same(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func openFolder(t testing.TB, s *Store, account, folder string) *Folder {
	t.Helper()
	f, err := s.OpenFolder(t.Context(), account, folder)
	must(t, err)
	t.Cleanup(f.Close)
	return f
}

// deliver delivers to Ann, and returns the error of the copy.
func deliver(t testing.TB, s *Store, content string, to ...string) error {
	t.Helper()
	if len(to) == 0 {
		to = []string{ann}
	}
	d := Delivery{Content: []byte(content)}
	for _, a := range to {
		d.Copies = append(d.Copies, Copy{Account: a, Header: []byte("Delivered-To: " + a + "\r\n")})
	}
	errs, err := s.Deliver(t.Context(), d)
	must(t, err)
	return errors.Join(errs...)
}

func appendTest(t testing.TB, s *Store, folder, content string, flags Flags) uint32 {
	t.Helper()
	_, uid, err := s.Append(t.Context(), ann, folder, []byte(content), flags, noon)
	must(t, err)
	return uid
}

func contentOf(t testing.TB, f *Folder, uid uint32) string {
	t.Helper()
	b, err := f.Content(t.Context(), uid)
	must(t, err)
	return string(b)
}

// stored tells how many bytes of contents are on the disk.
func stored(t testing.TB, s *Store) (bytes int64) {
	t.Helper()
	must(t, s.view(t.Context(), func() error { bytes = s.meta.bytes; return nil }))
	return bytes
}

const letter = "From: bob@example.com\r\nSubject: hello\r\n\r\nHow are you?\r\n"

func TestDeliveredMailIsRead(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, deliver(t, s, letter))
	f := openFolder(t, s, ann, "inbox")
	same(t, f.UIDs(), []uint32{1})
	prefix := "Delivered-To: ann@example.com\r\n"
	same(t, contentOf(t, f, 1), prefix+letter)
	header, err := f.Header(t.Context(), 1)
	must(t, err)
	same(t, string(header), prefix+"From: bob@example.com\r\nSubject: hello\r\n\r\n")
	m, ok := f.Get(1)
	same(t, ok, true)
	same(t, m, Message{UID: 1, Size: int64(len(prefix + letter)), Received: noon, ModSeq: 2})
	_, err = f.Content(t.Context(), 2)
	wantErr(t, err, ErrNoMessage)
}

func TestContentComesBackByteForByte(t *testing.T) {
	s := withAnn(t, Options{})
	long := strings.Repeat("0123456789abcdef", pieceBytes/16)
	contents := []string{
		"", "x", "\r\n", "no header", "A: b\n\nbody", "A: b\r\n\r\n", "A: b\r\n\r\n.\r\n..\r\n", "A: b\r\n\r\n\xff\x80\xc3",
		"A: b\r\n\r\n" + long, "A: b\r\n\r\n" + long + "x", "A: b\r\n\r\nx" + long + long, "A: " + long + long + "\r\n\r\n" + long,
		"A: b\r\n\r\n\r", "\n\n\n", "A: b\r\r\n\r\n\n",
	}
	for _, c := range contents {
		appendTest(t, s, "", c, Flags{})
	}
	f := openFolder(t, s, ann, "")
	for i, c := range contents {
		uid := uint32(i + 1)
		if got := contentOf(t, f, uid); got != c {
			t.Errorf("content %d: %.40q, want %.40q", i, got, c)
		}
		n, _ := f.HeaderSize(uid)
		header, err := f.Header(t.Context(), uid)
		if err != nil || string(header) != c[:n] {
			t.Errorf("header %d: %.40q, %v", i, header, err)
		}
		for _, at := range []int64{0, 1, n - 1, n, n + 1, pieceBytes + n - 1, pieceBytes + n, int64(len(c)) - 1, int64(len(c)), 1 << 40} {
			for _, length := range []int64{0, 1, 5, pieceBytes, pieceBytes + 1, 1 << 40} {
				from := min(max(0, at), int64(len(c)))
				want := c[from:min(from+length, int64(len(c)))]
				if got, err := f.Part(t.Context(), uid, at, length); err != nil || string(got) != want {
					t.Errorf("content %d from %d, %d bytes: %d bytes, %v", i, at, length, len(got), err)
				}
			}
		}
	}
}

func TestNULIsRefused(t *testing.T) {
	s := withAnn(t, Options{})
	wantErr(t, deliver(t, s, "A: b\r\n\r\na\x00b"), ErrNUL)
	_, _, err := s.Append(t.Context(), ann, "", []byte("\x00"), Flags{}, noon)
	wantErr(t, err, ErrNUL)
	errs, err := s.Deliver(t.Context(), Delivery{Content: []byte(letter), Copies: []Copy{{Account: ann, Header: []byte("A: \x00\r\n")}}})
	must(t, err)
	wantErr(t, errs[0], ErrNUL)
	same(t, stored(t, s), int64(0))
}

// A message to several is stored once, and goes with its last copy.
func TestContentIsStoredOnce(t *testing.T) {
	s := withAnn(t, Options{})
	body := letter + strings.Repeat("x", 300_000)
	must(t, deliver(t, s, body, ann, bob))
	prefixes := int64(2 * len("Delivered-To: ann@example.com\r\n"))
	same(t, stored(t, s), int64(len(body))+prefixes)
	f := openFolder(t, s, ann, "")
	_, _, _, err := f.CopyTo(t.Context(), []uint32{1}, "Archive")
	must(t, err)
	same(t, stored(t, s), int64(len(body))+prefixes*3/2)
	_, err = f.Expunge(t.Context(), []uint32{1})
	must(t, err)
	must(t, s.Remove(t.Context(), bob))
	must(t, s.sweepOnce(t.Context()))
	a := openFolder(t, s, ann, "Archive")
	same(t, contentOf(t, a, 1) == "Delivered-To: ann@example.com\r\n"+body, true)
	_, err = a.Expunge(t.Context(), a.UIDs())
	must(t, err)
	same(t, stored(t, s), int64(0))
	checkStore(t, s)
}

func TestDeliveryIsDoneOnce(t *testing.T) {
	now := noon
	s := withAnn(t, Options{Now: func() time.Time { return now }})
	d := Delivery{ID: "q1", Content: []byte(letter), Copies: []Copy{
		{Account: ann, Key: "ann@example.com"}, {Account: bob, Key: "bob@example.com"}, {Account: ann, Key: "ann@example.com"},
	}}
	f := openFolder(t, s, ann, "")
	again := func(want int) {
		t.Helper()
		errs, err := s.Deliver(t.Context(), d)
		must(t, err)
		must(t, errors.Join(errs...))
		must(t, s.sweepOnce(t.Context()))
		same(t, len(f.UIDs()), want)
	}
	again(1)
	again(1)
	d.Copies = append(d.Copies, Copy{Account: ann, Key: "sales@example.com"}) // one more address of hers
	again(2)
	now = now.Add(DedupeFor)
	again(2)
	now = now.Add(2 * DedupeFor)
	again(4)
	same(t, len(f.UIDs()), 4)
	checkStore(t, s)
}

func TestCopiesHaveErrorsOfTheirOwn(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, s.SetQuota(t.Context(), bob, 10))
	errs, err := s.Deliver(t.Context(), Delivery{Content: []byte(letter), Copies: []Copy{
		{Account: ann}, {Account: bob}, {Account: "eve@example.com"}, {Account: ann, Folder: "Junk"}, {Account: ann, Folder: "nowhere"},
	}})
	must(t, err)
	for i, want := range []error{nil, ErrOverQuota, ErrNoAccount, nil, nil} {
		wantErr(t, errs[i], want)
	}
	same(t, openFolder(t, s, ann, "Junk").UIDs(), []uint32{1})
	same(t, openFolder(t, s, ann, "").UIDs(), []uint32{1, 2})
	same(t, s.Metrics().Delivered, int64(3))
	same(t, s.Metrics().Refused, int64(2))
	checkStore(t, s)
}

func TestQuotaIsExact(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, s.SetQuota(t.Context(), ann, 1000))
	hundred := "A: b\r\n\r\n" + strings.Repeat("x", 92)
	for range 9 {
		appendTest(t, s, "", hundred, Flags{})
	}
	must(t, s.Room(ann, 100))
	wantErr(t, s.Room(ann, 101), ErrOverQuota)
	wantErr(t, s.Room("eve@example.com", 1), ErrNoAccount)
	f := openFolder(t, s, ann, "")
	_, _, _, err := f.CopyTo(t.Context(), []uint32{1, 2}, "Trash")
	wantErr(t, err, ErrOverQuota)
	_, _, _, err = f.CopyTo(t.Context(), []uint32{1}, "Trash")
	must(t, err)
	_, _, err = s.Append(t.Context(), ann, "", []byte("x"), Flags{}, noon)
	wantErr(t, err, ErrOverQuota)
	wantErr(t, deliver(t, s, "x"), ErrOverQuota)
	_, _, _, err = f.MoveTo(t.Context(), f.UIDs(), "Trash") // needs no room
	must(t, err)
	a, err := s.Account(ann)
	must(t, err)
	same(t, a, Account{Name: ann, Quota: 1000, Bytes: 1000, Messages: 10, Created: noon})
	must(t, s.DeleteFolder(t.Context(), ann, "Trash"))
	must(t, s.Room(ann, 1000))
	must(t, s.SetQuota(t.Context(), ann, 0))
	must(t, s.Room(ann, 1<<50))
	checkStore(t, s)
}

func TestUIDsAndValiditiesDoNotComeAgain(t *testing.T) {
	disk := vfs.NewMem()
	s := withAnn(t, Options{FS: disk})
	seen := map[uint32]bool{}
	for i := range 3 {
		must(t, s.CreateFolder(t.Context(), ann, "Work", NoUse))
		info, err := s.Status(t.Context(), ann, "Work")
		must(t, err)
		if seen[info.Validity] {
			t.Errorf("validity %d again", info.Validity)
		}
		seen[info.Validity] = true
		must(t, s.DeleteFolder(t.Context(), ann, "Work"))
		if i == 1 {
			must(t, s.Remove(t.Context(), ann))
			must(t, s.Add(t.Context(), ann, 0))
		}
	}
	uid := appendTest(t, s, "", letter, Flags{})
	f, err := s.OpenFolder(t.Context(), ann, "")
	must(t, err)
	_, err = f.Expunge(t.Context(), []uint32{uid})
	must(t, err)
	f.Close()
	must(t, s.Close())
	s = openTest(t, Options{FS: disk})
	if again := appendTest(t, s, "", letter, Flags{}); again <= uid {
		t.Errorf("UID %d after %d", again, uid)
	}
	checkStore(t, s)
}

func TestFlags(t *testing.T) {
	s := withAnn(t, Options{})
	f := openFolder(t, s, ann, "")
	for range 3 {
		appendTest(t, s, "", letter, Flags{System: Seen, Keywords: []string{"b", "A", "a"}})
	}
	change := func(op FlagOp, flags Flags, since uint64, uids ...uint32) (changed []Message, refused []uint32) {
		t.Helper()
		changed, refused, err := f.SetFlags(t.Context(), uids, op, flags, since)
		must(t, err)
		return changed, refused
	}
	flags := func(uid uint32) string {
		m, _ := f.Get(uid)
		return fmt.Sprint(m.Flags)
	}
	same(t, flags(1), "{1 [A b]}")
	changed, _ := change(AddFlags, Flags{System: Deleted, Keywords: []string{"B", "c"}}, 0, 1, 2, 9)
	same(t, len(changed), 2)
	same(t, changed[0].ModSeq, changed[1].ModSeq)
	same(t, flags(1), "{9 [A b c]}")
	same(t, flags(3), "{1 [A b]}")
	change(RemoveFlags, Flags{System: Seen, Keywords: []string{"a"}}, 0, 1)
	same(t, flags(1), "{8 [b c]}")
	changed, refused := change(SetFlags, Flags{System: Flagged}, changed[0].ModSeq, 1, 2, 3)
	same(t, len(changed), 2)
	same(t, refused, []uint32{1})
	same(t, flags(3), "{4 []}")
	changed, _ = change(AddFlags, Flags{System: Flagged}, 0, 2, 3)
	same(t, len(changed), 0) // no change
	same(t, f.Keywords(), []string{"b", "c"})
	info := f.Info()
	same(t, []int{info.Messages, info.Unseen, info.Deleted}, []int{3, 3, 1})
	_, _, err := f.SetFlags(t.Context(), []uint32{1}, AddFlags, Flags{Keywords: []string{strings.Repeat("x", 256)}}, 0)
	wantErr(t, err, ErrLimit)
	g := openFolder(t, s, ann, "")
	same(t, g.index == f.index, true)
	checkStore(t, s)
}

func TestSessionsLearnAtOnce(t *testing.T) {
	s := withAnn(t, Options{})
	one, two := openFolder(t, s, ann, ""), openFolder(t, s, ann, "INBOX")
	at := two.Info().ModSeq
	news := func() (changed, gone []uint32) {
		t.Helper()
		c, gone, now, ok := two.Since(at)
		same(t, ok, true)
		at = now
		for _, m := range c {
			changed = append(changed, m.UID)
		}
		return changed, gone
	}
	woken := two.Changed()
	must(t, deliver(t, s, letter))
	<-woken
	must(t, deliver(t, s, letter))
	changed, gone := news()
	same(t, changed, []uint32{1, 2})
	same(t, gone, []uint32(nil))
	woken = two.Changed()
	_, _, err := one.SetFlags(t.Context(), []uint32{2}, AddFlags, Flags{System: Seen}, 0)
	must(t, err)
	<-woken
	woken = two.Changed()
	_, err = one.Expunge(t.Context(), []uint32{1})
	must(t, err)
	<-woken
	changed, gone = news()
	same(t, changed, []uint32{2})
	same(t, gone, []uint32{1})
	changed, gone = news()
	same(t, len(changed)+len(gone), 0)

	woken = two.Changed()
	must(t, s.CreateFolder(t.Context(), ann, "Work", NoUse))
	must(t, s.RenameFolder(t.Context(), ann, "Work", "Play"))
	play := openFolder(t, s, ann, "Play")
	end := play.Changed()
	must(t, s.DeleteFolder(t.Context(), ann, "Play"))
	<-end
	wantErr(t, play.Err(), ErrNoFolder)
	_, err = play.Expunge(t.Context(), []uint32{1})
	wantErr(t, err, ErrNoFolder)
	<-play.Changed() // at once, again
	must(t, s.Remove(t.Context(), ann))
	<-woken
	wantErr(t, two.Err(), ErrNoAccount)
	_, err = one.Content(t.Context(), 2)
	wantErr(t, err, ErrNoAccount)
	_, err = s.OpenFolder(t.Context(), ann, "")
	wantErr(t, err, ErrNoAccount)
}

// What was expunged is remembered over a restart, so that a client which comes back can ask.
func TestSinceAfterRestart(t *testing.T) {
	disk := vfs.NewMem()
	s := withAnn(t, Options{FS: disk})
	f := openFolder(t, s, ann, "")
	for range 10 {
		appendTest(t, s, "", letter, Flags{})
	}
	at := f.Info().ModSeq
	_, err := f.Expunge(t.Context(), []uint32{2, 3, 4, 7})
	must(t, err)
	_, _, err = f.SetFlags(t.Context(), []uint32{5}, SetFlags, Flags{Keywords: []string{"x"}}, 0)
	must(t, err)
	now := f.Info()
	f.Close()
	must(t, s.Close())
	s = openTest(t, Options{FS: disk})
	f = openFolder(t, s, ann, "")
	same(t, f.Info(), now)
	changed, gone, _, ok := f.Since(at)
	same(t, ok, true)
	same(t, gone, []uint32{2, 3, 4, 7})
	same(t, len(changed), 1)
	same(t, changed[0].UID, uint32(5))
	same(t, changed[0].Flags, Flags{Keywords: []string{"x"}})
}

// TestExpungeOfWhatIsStillDeleted: a message that somebody takes the flag off in time stays.
func TestExpungeOfWhatIsStillDeleted(t *testing.T) {
	s := withAnn(t, Options{})
	f := openFolder(t, s, ann, "")
	var uids []uint32
	for _, flags := range []System{Deleted, Seen, Deleted | Seen, 0} {
		uids = append(uids, appendTest(t, s, "", "x", Flags{System: flags}))
	}
	_, _, err := f.SetFlags(t.Context(), uids[:1], RemoveFlags, Flags{System: Deleted}, 0)
	must(t, err)
	gone, err := f.ExpungeDeleted(t.Context(), uids)
	must(t, err)
	same(t, gone, uids[2:3])
	same(t, f.UIDs(), []uint32{uids[0], uids[1], uids[3]})
}

func TestExpungeLogIsBounded(t *testing.T) {
	s := withAnn(t, Options{})
	f := openFolder(t, s, ann, "")
	content := []byte("x")
	for range 2*maxGoneRuns + 10 {
		_, err := s.Deliver(t.Context(), Delivery{Content: content, Copies: []Copy{{Account: ann}, {Account: ann}}})
		must(t, err)
	}
	var odd, even []uint32
	for _, uid := range f.UIDs() {
		if uid%2 == 1 {
			odd = append(odd, uid)
		} else {
			even = append(even, uid)
		}
	}
	before := f.Info().ModSeq
	for _, uid := range odd[:3000] {
		_, err := f.Expunge(t.Context(), []uint32{uid})
		must(t, err)
	}
	middle := f.Info().ModSeq
	_, err := f.Expunge(t.Context(), odd[3000:5000])
	must(t, err)
	if n := f.index.gone.runs; n > maxGoneRuns {
		t.Errorf("%d runs", n)
	}
	_, gone, _, ok := f.Since(middle)
	same(t, ok, true)
	same(t, len(gone), 2000)
	_, _, _, ok = f.Since(before)
	same(t, ok, false)
	_, err = f.Expunge(t.Context(), even[:maxGoneRuns+1]) // more than the log may hold
	must(t, err)
	_, gone, _, ok = f.Since(middle)
	same(t, ok, false)
	same(t, len(gone), 0)
	same(t, len(f.UIDs()), 2*(2*maxGoneRuns+10)-5000-maxGoneRuns-1)
	checkStore(t, s)
}

func TestCopyAndMove(t *testing.T) {
	s := withAnn(t, Options{})
	must(t, deliver(t, s, letter))
	appendTest(t, s, "", "two", Flags{System: Flagged, Keywords: []string{"k"}})
	f, trash := openFolder(t, s, ann, ""), openFolder(t, s, ann, "Trash")
	validity, from, to, err := f.CopyTo(t.Context(), []uint32{2, 1, 7}, "Trash")
	must(t, err)
	same(t, validity, trash.Info().Validity)
	same(t, from, []uint32{1, 2})
	same(t, to, []uint32{1, 2})
	same(t, contentOf(t, trash, 1), contentOf(t, f, 1))
	m, _ := trash.Get(2)
	same(t, m.Flags, Flags{System: Flagged, Keywords: []string{"k"}})
	_, from, to, err = f.MoveTo(t.Context(), []uint32{1}, "Trash")
	must(t, err)
	same(t, from, []uint32{1})
	same(t, to, []uint32{3})
	same(t, f.UIDs(), []uint32{2})
	_, from, to, err = trash.MoveTo(t.Context(), []uint32{1, 2}, "trash")
	wantErr(t, err, ErrNoFolder)
	same(t, len(from)+len(to), 0)
	_, _, to, err = trash.MoveTo(t.Context(), []uint32{1, 2}, "Trash") // onto itself
	must(t, err)
	same(t, to, []uint32{4, 5})
	_, _, to, err = trash.CopyTo(t.Context(), []uint32{4}, "Trash")
	must(t, err)
	same(t, to, []uint32{6})
	same(t, trash.UIDs(), []uint32{3, 4, 5, 6})
	for _, uid := range []uint32{3, 4, 6} {
		same(t, contentOf(t, trash, uid), "Delivered-To: ann@example.com\r\n"+letter)
	}
	same(t, contentOf(t, trash, 5), "two")
	checkStore(t, s)
}

func TestHeadersOfMany(t *testing.T) {
	s := withAnn(t, Options{})
	for i := range 600 {
		appendTest(t, s, "", fmt.Sprintf("Subject: %d\r\n\r\nbody", i+1), Flags{})
	}
	f := openFolder(t, s, ann, "")
	_, err := f.Expunge(t.Context(), []uint32{300})
	must(t, err)
	uids := append(f.UIDs(), 300, 9999)
	n := 0
	for h, err := range f.Headers(t.Context(), uids) {
		must(t, err)
		if string(h.Header) != fmt.Sprintf("Subject: %d\r\n\r\n", h.UID) {
			t.Errorf("%d has %q", h.UID, h.Header)
		}
		n++
	}
	same(t, n, 599)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range f.Headers(ctx, uids) {
		wantErr(t, err, context.Canceled)
	}
}

func TestMaildropIsExclusive(t *testing.T) {
	s := withAnn(t, Options{})
	release, err := s.LockMaildrop(ann)
	must(t, err)
	_, err = s.LockMaildrop(ann)
	wantErr(t, err, ErrInUse)
	_, err = s.LockMaildrop("eve@example.com")
	wantErr(t, err, ErrNoAccount)
	release()
	again, err := s.LockMaildrop(ann)
	must(t, err)
	release() // of the first: too late to do anything
	_, err = s.LockMaildrop(ann)
	wantErr(t, err, ErrInUse)
	again()
}

func TestMemoryOfOpenFoldersIsBounded(t *testing.T) {
	s := withAnn(t, Options{Indexes: 100 * entryBytes})
	for range 80 {
		appendTest(t, s, "", "x", Flags{})
		appendTest(t, s, "Trash", "x", Flags{})
	}
	f := openFolder(t, s, ann, "")
	openFolder(t, s, ann, "") // the same index
	_, err := s.OpenFolder(t.Context(), ann, "Trash")
	wantErr(t, err, ErrLimit)
	same(t, s.Metrics().OpenFolders, 1)
	f.Close()
	f.Close()
	wantErr(t, f.Err(), ErrClosed)
	same(t, s.Metrics().OpenFolders, 1)
}

func TestAccounts(t *testing.T) {
	s := withAnn(t, Options{})
	wantErr(t, s.Add(t.Context(), ann, 0), ErrExists)
	for _, name := range []string{"", "Ann@example.com", "a b@example.com", "a\nb", "\xff@example.com", strings.Repeat("x", 600)} {
		wantErr(t, s.Add(t.Context(), name, 0), ErrName)
	}
	wantErr(t, s.Remove(t.Context(), "eve@example.com"), ErrNoAccount)
	wantErr(t, s.SetQuota(t.Context(), "eve@example.com", 1), ErrNoAccount)
	list, err := s.Accounts(t.Context())
	must(t, err)
	same(t, []string{list[0].Name, list[1].Name}, []string{ann, bob})
	same(t, s.Has(ann), true)
	must(t, s.Remove(t.Context(), ann))
	same(t, s.Has(ann), false)
	same(t, s.Metrics().Accounts, 1)
	_, err = s.Folders(t.Context(), ann)
	wantErr(t, err, ErrNoAccount)
}

func TestClosedStore(t *testing.T) {
	s := withAnn(t, Options{})
	f := openFolder(t, s, ann, "")
	woken := f.Changed()
	must(t, s.Close())
	<-woken
	wantErr(t, f.Err(), ErrClosed)
	_, err := f.Content(t.Context(), 1)
	wantErr(t, err, ErrClosed)
	wantErr(t, s.Add(t.Context(), "x@example.com", 0), ErrClosed)
	_, err = s.OpenFolder(t.Context(), ann, "")
	wantErr(t, err, ErrClosed)
	_, err = s.Folders(t.Context(), ann)
	wantErr(t, err, ErrClosed)
	must(t, s.Close())
}

func TestOnlyOneHasIt(t *testing.T) {
	disk := vfs.NewMem()
	openTest(t, Options{FS: disk})
	_, err := Open(Options{FS: disk, Dir: "mailbox"})
	wantErr(t, err, ErrLocked)
}

func TestNumbersOfFoldersAreUnloaded(t *testing.T) {
	s := openTest(t, Options{})
	must(t, s.view(t.Context(), func() error { s.budget.folders = 20; return nil }))
	for i := range 20 {
		must(t, s.Add(t.Context(), fmt.Sprintf("u%d@example.com", i), 0))
	}
	for i := range 20 {
		must(t, deliver(t, s, letter, fmt.Sprintf("u%d@example.com", i)))
	}
	must(t, s.view(t.Context(), func() error {
		if n := s.loaded.folders; n > 40 {
			t.Errorf("%d folders are loaded", n)
		}
		return nil
	}))
	for i := range 20 {
		info, err := s.Status(t.Context(), fmt.Sprintf("u%d@example.com", i), "")
		must(t, err)
		same(t, []uint64{uint64(info.Messages), uint64(info.Next), info.ModSeq}, []uint64{1, 2, 2})
	}
	checkStore(t, s)
}

// Who closes a folder and who closes the store do not wait for each other.
func TestFoldersAndStoreCloseAtOnce(t *testing.T) {
	for range 20 {
		s := withAnn(t, Options{})
		var closing sync.WaitGroup
		for range 10 {
			f, err := s.OpenFolder(t.Context(), ann, []string{"", "Trash", "Sent"}[rand.IntN(3)])
			must(t, err)
			closing.Go(f.Close)
		}
		must(t, s.Close())
		closing.Wait()
		same(t, s.Metrics().OpenFolders, 0)
	}
}

// Many at once deliver, read, flag, move and delete in the same folders.
func TestAllAtOnce(t *testing.T) {
	s := withAnn(t, Options{})
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			f, err := s.OpenFolder(t.Context(), ann, []string{"", "Trash"}[w%2])
			must(t, err)
			defer f.Close()
			for i := range 60 {
				uids := f.UIDs()
				at := f.Info().ModSeq
				woken := f.Changed()
				var err error
				switch n := r.IntN(10); {
				case n < 4 || len(uids) == 0:
					err = deliver(t, s, fmt.Sprintf("Subject: %d %d\r\n\r\n", w, i), ann, bob)
				case n < 6:
					_, _, err = f.SetFlags(t.Context(), uids[:1+r.IntN(len(uids))], SetFlags, Flags{System: System(r.IntN(32))}, 0)
				case n < 7:
					_, err = f.Expunge(t.Context(), uids[:1+r.IntN(2)%len(uids)])
				case n < 8:
					_, _, _, err = f.MoveTo(t.Context(), uids[:1], []string{"", "Trash"}[r.IntN(2)])
				case n < 9:
					_, _, _, err = f.CopyTo(t.Context(), uids[:1], []string{"", "Trash"}[r.IntN(2)])
				default:
					if _, err = f.Content(t.Context(), uids[r.IntN(len(uids))]); errors.Is(err, ErrNoMessage) {
						err = nil
					}
				}
				if err != nil {
					t.Errorf("%d %d: %v", w, i, err)
				}
				select {
				case <-woken:
					f.Since(at)
				default:
				}
			}
		})
	}
	work.Wait()
	checkStore(t, s)
}
