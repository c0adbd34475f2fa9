package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

var ctx = context.Background()

// Everything about a credential survives a restart.
func TestBookLasts(t *testing.T) {
	w := newWorld(t)
	c := Credential{
		Name: "Shop@Example.com", Tenant: "shop", Class: message.ClassBulk, Senders: []string{"a@example.com", ".example.net"},
		Limits:  Limits{Messages: Rates{PerSecond: 1, PerHour: 2, PerDay: 3}, Recipients: Rates{PerDay: 4}, Connections: 5, MessageBytes: 6},
		Capture: true, Note: "the old shop",
	}
	shown, err := w.book.Add(ctx, c, "")
	if err != nil || len(shown) != 26 {
		t.Fatalf("secret %q: %v", shown, err)
	}
	if _, err := w.book.Rotate(ctx, c.Name, secret, time.Hour); err != nil {
		t.Fatal(err)
	}
	before, _ := w.book.Get("shop@example.COM")
	fake := string(w.book.fake)
	w.reopen()
	after, err := w.book.Get(c.Name)
	if err != nil || !cmp.Equal(before, after) {
		t.Fatalf("%v\n%s", err, cmp.Diff(before, after))
	}
	if after.Created != w.clock || !after.PreviousUntil.Equal(w.clock.Add(time.Hour)) || after.Limits != c.Limits {
		t.Errorf("%+v", after)
	}
	w.mustLogin(here, c.Name, secret)
	w.mustLogin(here, c.Name, shown)
	if string(w.book.fake) != fake {
		t.Error("names that are not there have other salts after a restart")
	}
	if err := w.book.Remove(ctx, c.Name); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	if _, err := w.book.Get(c.Name); !errors.Is(err, ErrNotFound) || w.book.Len() != 0 {
		t.Errorf("%v, %d left", err, w.book.Len())
	}
}

// What is done to a credential is felt by the sessions that are open.
func TestLive(t *testing.T) {
	steps := []struct {
		name string
		do   func(w *world) error
		gone bool
	}{
		{"nothing", func(w *world) error { return nil }, false},
		{"limits", func(w *world) error {
			return w.book.Change(ctx, "app", func(c *Credential) error { c.Limits.Connections = 7; return nil })
		}, false},
		{"disable", func(w *world) error { return w.book.Disable(ctx, "app", true) }, true},
		{"disable and enable", func(w *world) error {
			return errors.Join(w.book.Disable(ctx, "app", true), w.book.Disable(ctx, "app", false))
		}, false},
		{"remove", func(w *world) error { return w.book.Remove(ctx, "app") }, true},
		{"remove and add again", func(w *world) error {
			err := w.book.Remove(ctx, "app")
			w.add("app")
			return err
		}, true},
		{"rotate", func(w *world) error { _, err := w.book.Rotate(ctx, "app", "", 0); return err }, true},
		{"rotate with overlap", func(w *world) error { _, err := w.book.Rotate(ctx, "app", "", time.Hour); return err }, false},
		{"rotate with overlap that is over", func(w *world) error {
			_, err := w.book.Rotate(ctx, "app", "", time.Hour)
			w.clock = w.clock.Add(time.Hour)
			return err
		}, true},
		{"rotate to the same secret", func(w *world) error { _, err := w.book.Rotate(ctx, "app", secret, 0); return err }, true},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t)
			w.add("app")
			live := w.mustLogin(here, "app", secret)
			if err := s.do(w); err != nil {
				t.Fatal(err)
			}
			c, err := live.Credential()
			if errors.Is(err, ErrGone) != s.gone || (c == nil) != s.gone {
				t.Errorf("%v, %v", c, err)
			}
			if err := live.MaySend("a@example.com", []message.Address{{Local: "a", Domain: "example.com"}}); errors.Is(err, ErrGone) != s.gone {
				t.Error(err)
			}
			if s.name == "limits" && c.Limits.Connections != 7 {
				t.Error("the session has the old limits")
			}
		})
	}
}

// A remembered login does not outlive the credential's state.
func TestCacheForgets(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	w.mustLogin(here, "app", secret)
	w.mustLogin(here, "app", secret)
	if m := w.auth.Metrics(); m.Cached != 1 || m.Succeeded != 2 {
		t.Errorf("%+v", m)
	}
	if err := w.book.Disable(ctx, "app", true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.login(here, "app", secret); !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
	if err := w.book.Disable(ctx, "app", false); err != nil {
		t.Fatal(err)
	}
	w.mustLogin(here, "app", secret) // the failure is forgotten as well
	if _, err := w.book.Rotate(ctx, "app", "another secret", time.Hour); err != nil {
		t.Fatal(err)
	}
	w.mustLogin(here, "app", secret)
	w.clock = w.clock.Add(time.Hour - time.Second)
	w.mustLogin(here, "app", secret)
	w.clock = w.clock.Add(time.Second) // remembered, but not good any more
	if _, err := w.login(here, "app", secret); !errors.Is(err, ErrFailed) {
		t.Error(err)
	}
	w.mustLogin(here, "app", "another secret")
}

func TestBookRefuses(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	ok := Credential{Name: "new", Senders: []string{"*"}}
	with := func(f func(*Credential)) Credential { c := ok; f(&c); return c }
	for _, c := range []struct {
		c      Credential
		secret string
		want   string
	}{
		{with(func(c *Credential) { c.Name = "APP" }), "", "exists already"},
		{with(func(c *Credential) { c.Name = "" }), "", "name"},
		{with(func(c *Credential) { c.Name = "a b" }), "", "blanks"},
		{with(func(c *Credential) { c.Name = "a\x00b" }), "", "SASLprep"},
		{with(func(c *Credential) { c.Name = strings.Repeat("a", 256) }), "", "longer"},
		{with(func(c *Credential) { c.Tenant = "a\nb" }), "", "tenant"},
		{with(func(c *Credential) { c.Class = 99 }), "", "class"},
		{with(func(c *Credential) { c.Senders = []string{"exa mple.com"} }), "", `sender "exa mple.com"`},
		{with(func(c *Credential) { c.Senders = []string{"@example.com"} }), "", `sender "@example.com"`},
		{with(func(c *Credential) { c.Limits.Messages.PerDay = -1 }), "", "negative"},
		{ok, "pa55word", "shorter than 12"},
		{ok, "with a \x00 within it", "SASLprep"},
		{ok, strings.Repeat("a", 256), "longer"},
	} {
		_, err := w.book.Add(ctx, c.c, c.secret)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v %q: %v", c.c, c.secret, err)
		}
		if err != nil && c.secret != "" && strings.Contains(err.Error(), c.secret) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	if w.book.Len() != 1 {
		t.Errorf("%d credentials", w.book.Len())
	}
	if _, err := w.book.Rotate(ctx, "app", "", -1); err == nil {
		t.Error("a negative overlap was taken")
	}
	if err := w.book.Remove(ctx, "none"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// Read-only credentials are replaced as a whole or not at all, and sessions of those that stay go on.
func TestReadOnly(t *testing.T) {
	w := newWorld(t)
	w.add("stored")
	file := func(name, secret string) ReadOnly {
		return ReadOnly{Credential: Credential{Name: name, Senders: []string{"*"}}, Secret: secret}
	}
	if err := w.book.SetReadOnly(ctx, []ReadOnly{file("one", "secret of one"), file("two", "secret of two")}); err != nil {
		t.Fatal(err)
	}
	one, two := w.mustLogin(here, "one", "secret of one"), w.mustLogin(here, "two", "secret of two")
	for _, bad := range [][]ReadOnly{
		{file("three", "secret of three"), file("THREE", "secret of three")},
		{file("stored", "secret of stored")},
		{file("three", "short")},
		{file("three", "")},
		{{Credential: Credential{Name: "three"}, Argon2: "$argon2i$"}},
	} {
		name := strings.ToLower(bad[len(bad)-1].Name)
		if err := w.book.SetReadOnly(ctx, bad); err == nil || !strings.Contains(strings.ToLower(err.Error()), `"`+name+`"`) {
			t.Errorf("%v", err)
		}
	}
	w.mustLogin(here, "one", "secret of one")
	if err := w.book.Disable(ctx, "one", true); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	argon, keys := mustSecret(t, "secret of three").Hashes()
	hashed := ReadOnly{Credential: Credential{Name: "three"}, Argon2: argon, SCRAMSHA256: keys}
	if err := w.book.SetReadOnly(ctx, []ReadOnly{file("one", "secret of one"), file("two", "changed secret"), hashed}); err != nil {
		t.Fatal(err)
	}
	three := w.mustLogin(here, "three", "secret of three")
	if _, err := one.Credential(); err != nil {
		t.Error("a session was closed whose credential stays as it was")
	}
	if _, err := two.Credential(); !errors.Is(err, ErrGone) {
		t.Error("a session goes on with a secret that was replaced")
	}
	if err := w.book.SetReadOnly(ctx, []ReadOnly{hashed}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Credential(); !errors.Is(err, ErrGone) {
		t.Error("a session goes on whose credential is gone")
	}
	if _, err := three.Credential(); err != nil {
		t.Error("a session was closed whose hashes stay as they were")
	}
	w.mustLogin(here, "stored", secret)
	if names := len(w.book.List()); names != 2 {
		t.Errorf("%d credentials", names)
	}
}

// A change that cannot be written does not happen.
func TestBookWriteFails(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	live := w.mustLogin(here, "app", secret)
	w.book.store = failing{w.store}
	if _, err := w.book.Add(ctx, Credential{Name: "new"}, ""); !errors.Is(err, store.ErrFailed) {
		t.Error(err)
	}
	if err := w.book.Remove(ctx, "app"); !errors.Is(err, store.ErrFailed) {
		t.Error(err)
	}
	if _, err := live.Credential(); err != nil || w.book.Len() != 1 {
		t.Errorf("%v, %d credentials", err, w.book.Len())
	}
}

type failing struct{ *store.Store }

func (failing) Apply(context.Context, bool, ...store.Change) error { return store.ErrFailed }

func TestDamagedRecord(t *testing.T) {
	w := newWorld(t)
	w.add("app")
	for _, value := range []string{"", "\x02{}", "\x01{", "\x01{}"} {
		change := store.Change{Table: store.Credentials, Key: []byte(recordPrefix + "bad"), Value: []byte(value)}
		if err := w.store.Apply(ctx, true, change); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBook(ctx, w.store, nil); err == nil || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
