package admin

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

func openUsers(t *testing.T) LocalUsers {
	s, err := mailbox.Open(mailbox.Options{Dir: "mailbox", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return LocalUsers{
		Store: s, Book: openBook(t),
		Local: func(domain string) bool { return domain == "a.test" }, Quota: func() int64 { return 1000 },
	}
}

// The same happens by the control socket as with the stores themselves.
func TestUsers(t *testing.T) {
	local, remote := openUsers(t), openUsers(t)
	client := serve(t, &Control{Relay: &fakeRelay{}, Tools: Tools{Users: remote}})
	for name, all := range map[string]Users{"stores": local, "socket": client.Users()} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			secret, err := all.Add(ctx, `"Ann"@A.test`, nil, "")
			if err != nil || len(secret) < 20 {
				t.Fatalf("%q, %v", secret, err)
			}
			none, five := int64(0), int64(5000)
			if shown, err := all.Add(ctx, "grüße/1@a.test", &none, "a secret of my own"); err != nil || shown != "a secret of my own" {
				t.Errorf("%q, %v", shown, err)
			}
			if err := errors.Join(all.SetQuota(ctx, "ann@a.test", five), all.Disable(ctx, "GRÜSSE/1@a.test", true)); status(err) != 404 {
				t.Errorf("another name: %v", err)
			}
			if err := all.Disable(ctx, "GRÜßE/1@a.test", true); err != nil {
				t.Error(err)
			}
			list, err := all.List(ctx)
			if err != nil || len(list) != 2 || list[0].Name != "ann@a.test" || list[0].Quota != 5000 || list[0].Disabled || !list[1].Disabled || list[1].Quota != 0 {
				t.Errorf("%+v, %v", list, err)
			}
			other, err := all.Passwd(ctx, "ann@a.test", "")
			if err != nil || other == secret || len(other) < 20 {
				t.Errorf("%q, %v", other, err)
			}
			for what, c := range map[string]struct {
				err  error
				want int
			}{
				"get":      {second(all.Get(ctx, "none@a.test")), 404},
				"taken":    {second(all.Add(ctx, "ANN@a.test", nil, "")), 409},
				"foreign":  {second(all.Add(ctx, "ann@b.test", nil, "")), 400},
				"no name":  {second(all.Add(ctx, "ann", nil, "")), 400},
				"short":    {second(all.Add(ctx, "bob@a.test", nil, "hunter2")), 400},
				"is none":  {second(all.Get(ctx, "bob@a.test")), 404},
				"passwd":   {second(all.Passwd(ctx, "none@a.test", "")), 404},
				"quota":    {all.SetQuota(ctx, "none@a.test", 1), 404},
				"disable":  {all.Disable(ctx, "none", true), 404},
				"remove":   {all.Remove(ctx, "none@a.test"), 404},
				"a word":   {all.Remove(ctx, "none"), 404},
				"too weak": {second(all.Passwd(ctx, "ann@a.test", "short")), 400},
			} {
				if got := status(c.err); got != c.want {
					t.Errorf("%s: %d, %v", what, got, c.err)
				}
			}
			if err := all.Remove(ctx, "Ann@a.test"); err != nil {
				t.Error(err)
			}
			if got, err := all.Get(ctx, "ann@a.test"); status(err) != 404 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	if _, err := serve(t, &Control{Relay: &fakeRelay{}}).Users().List(t.Context()); status(err) != 501 {
		t.Errorf("without mailboxes: %v", err)
	}
}

// A crash between the two stores leaves what the next call completes, and never mail or a login to somebody else.
func TestHalfUsers(t *testing.T) {
	u := openUsers(t)
	ctx := t.Context()
	// Add got as far as the account.
	if err := u.Store.Add(ctx, "ann@a.test", 1); err != nil {
		t.Fatal(err)
	}
	if got, err := u.Get(ctx, "ann@a.test"); err != nil || !got.NoLogin {
		t.Errorf("%+v, %v", got, err)
	}
	if secret, err := u.Add(ctx, "ann@a.test", nil, ""); err != nil || secret == "" {
		t.Errorf("%q, %v", secret, err)
	}
	if got, err := u.Get(ctx, "ann@a.test"); err != nil || got.NoLogin || got.Quota != 1000 {
		t.Errorf("%+v, %v", got, err)
	}
	// Remove got as far as the mail: the name is not given away before it has come to its end.
	if err := errors.Join(u.Book.Disable(ctx, "ann@a.test", true), u.Store.Remove(ctx, "ann@a.test")); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Add(ctx, "ann@a.test", nil, ""); status(err) != 409 {
		t.Errorf("taken: %v", err)
	}
	if err := u.Remove(ctx, "ann@a.test"); err != nil {
		t.Error(err)
	}
	if _, err := u.Book.Get("ann@a.test"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the credential is there: %v", err)
	}
	// One whose credential was removed by itself goes too, and one from the configuration stays.
	if err := u.Store.Add(ctx, "bob@a.test", 0); err != nil {
		t.Fatal(err)
	}
	if err := u.Remove(ctx, "bob@a.test"); err != nil || u.Store.Has("bob@a.test") {
		t.Errorf("%v", err)
	}
	fixed := auth.ReadOnly{Credential: auth.Credential{Name: "carl@a.test", Senders: []string{"*"}}, Secret: "correct horse battery"}
	if err := u.Book.SetReadOnly(ctx, []auth.ReadOnly{fixed}); err != nil {
		t.Fatal(err)
	}
	if secret, err := u.Add(ctx, "carl@a.test", nil, ""); err != nil || secret != "" {
		t.Errorf("%q, %v", secret, err)
	}
	if got, err := u.Get(ctx, "carl@a.test"); err != nil || !got.ReadOnly {
		t.Errorf("%+v, %v", got, err)
	}
	if err := u.Remove(ctx, "carl@a.test"); err != nil || u.Book.Len() != 1 {
		t.Errorf("%v", err)
	}
}

// Mail goes out and in again as it is, by the socket too; what cannot be stored ends an import, and what came before is
// counted.
func TestMailOfUsers(t *testing.T) {
	local, remote := openUsers(t), openUsers(t)
	client := serve(t, &Control{Relay: &fakeRelay{}, Tools: Tools{Users: remote}})
	mail := []mailbox.Item{
		{Folder: "INBOX", Content: []byte("Subject: one\r\n\r\nFrom here\r\n>From there\r\n"), Flags: mailbox.Flags{System: mailbox.Seen, Keywords: []string{"$Work"}}, Received: start},
		{Folder: "Lists/Go", Content: []byte("bare\nline, and no end"), Received: start},
		{Folder: "Lists/Go", Content: nil, Received: start},
	}
	each := func(items []mailbox.Item, err error) iter.Seq2[mailbox.Item, error] {
		return func(yield func(mailbox.Item, error) bool) {
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if err != nil {
				yield(mailbox.Item{}, err)
			}
		}
	}
	for name, all := range map[string]Users{"stores": local, "socket": client.Users()} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := all.Add(ctx, "ann@a.test", nil, ""); err != nil {
				t.Fatal(err)
			}
			if n, err := all.Import(ctx, "Ann@a.test", each(mail, nil)); n != 3 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			var got []mailbox.Item
			for item, err := range all.Export(ctx, "ann@a.test") {
				if err != nil {
					t.Fatal(err)
				}
				if item.Received = item.Received.UTC(); len(item.Content) == 0 {
					item.Content = nil
				}
				got = append(got, item)
			}
			if diff := cmp.Diff(mail, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
				t.Error(diff)
			}
			big := mailbox.Item{Content: bytes.Repeat([]byte("x\r\n"), 1000)}
			if n, err := all.Import(ctx, "ann@a.test", each([]mailbox.Item{mail[0], big, mail[0]}, nil)); n != 1 || status(err) != 413 {
				t.Errorf("over quota: %d, %v", n, err)
			}
			if n, err := all.Import(ctx, "ann@a.test", each([]mailbox.Item{{Content: []byte("\x00")}}, nil)); n != 0 || status(err) != 422 {
				t.Errorf("NUL: %d, %v", n, err)
			}
			broken := errors.New("the disk of the other side")
			if n, err := all.Import(ctx, "ann@a.test", each(mail[:1], broken)); n != 1 || !errors.Is(err, broken) {
				t.Errorf("broken: %d, %v", n, err)
			}
			if n, err := all.Import(ctx, "bob@a.test", each(mail, nil)); n != 0 || status(err) != 404 {
				t.Errorf("nobody: %d, %v", n, err)
			}
			for _, err := range all.Export(ctx, "bob@a.test") {
				if status(err) != 404 {
					t.Errorf("nobody: %v", err)
				}
			}
		})
	}
}

// An export that breaks off is an error at the other side too, and not a shorter mailbox.
func TestExportThatBreaksOff(t *testing.T) {
	u := openUsers(t)
	if _, err := u.Add(t.Context(), "ann@a.test", nil, ""); err != nil {
		t.Fatal(err)
	}
	client := serve(t, &Control{Relay: &fakeRelay{}, Tools: Tools{Users: brokenExport{u}}})
	n, failed := 0, false
	for item, err := range client.Users().Export(t.Context(), "ann@a.test") {
		if err != nil {
			failed = true
			break
		}
		if n++; len(item.Content) != 1<<20 {
			t.Errorf("%d bytes", len(item.Content))
		}
	}
	if n > 1 || !failed {
		t.Errorf("%d messages, failed: %v", n, failed)
	}
}

type brokenExport struct{ LocalUsers }

// Export yields a message, and then fails.
func (brokenExport) Export(context.Context, string) iter.Seq2[mailbox.Item, error] {
	return func(yield func(mailbox.Item, error) bool) {
		if yield(mailbox.Item{Content: bytes.Repeat([]byte("text of a line\r\n"), 1<<16)}, nil) {
			yield(mailbox.Item{}, mailbox.ErrFailed)
		}
	}
}
