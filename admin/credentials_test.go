package admin

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
)

func openBook(t *testing.T) *auth.Book {
	s, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	book, err := auth.OpenBook(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func status(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status
	}
	if err != nil {
		return -1
	}
	return 200
}

// The same happens by the control socket as with the book itself.
func TestCredentials(t *testing.T) {
	book, remote := openBook(t), openBook(t)
	client := serve(t, &Control{Relay: &fakeRelay{}, Tools: Tools{Credentials: BookCredentials(remote)}})
	for name, all := range map[string]Credentials{"book": BookCredentials(book), "socket": client.Credentials()} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			made := Credential{
				Name: "shop/€", Tenant: "acme", Class: "bulk", Senders: []string{"a.test"}, Note: "x", Capture: true,
				Limits: CredentialLimits{1, 2, 3, 4, 5, 6, 7, 8},
			}
			secret, err := all.Add(ctx, made, "")
			if err != nil || len(secret) < 20 {
				t.Fatalf("%q, %v", secret, err)
			}
			if shown, err := all.Add(ctx, Credential{Name: "b", Senders: []string{"*"}}, "a secret of my own"); err != nil || shown != "a secret of my own" {
				t.Errorf("%q, %v", shown, err)
			}
			got, err := all.Get(ctx, made.Name)
			if err != nil || got.Created.IsZero() {
				t.Fatal(got, err)
			}
			got.Created, got.Rotated = time.Time{}, time.Time{}
			if diff := cmp.Diff(made, got); diff != "" {
				t.Error(diff)
			}
			got.Senders, got.Tenant = []string{"b.test"}, ""
			if err := errors.Join(all.Change(ctx, got), all.Disable(ctx, "b", true)); err != nil {
				t.Error(err)
			}
			list, err := all.List(ctx)
			if err != nil || len(list) != 2 || !list[0].Disabled || list[1].Senders[0] != "b.test" || list[1].Tenant != "" {
				t.Errorf("%+v, %v", list, err)
			}
			other, err := all.Rotate(ctx, made.Name, "", time.Hour)
			if after, _ := all.Get(ctx, made.Name); err != nil || other == secret || after.PreviousUntil.IsZero() {
				t.Errorf("%q, %+v, %v", other, after, err)
			}
			for what, c := range map[string]struct {
				err  error
				want int
			}{
				"get":     {second(all.Get(ctx, "none")), 404},
				"taken":   {second(all.Add(ctx, Credential{Name: "B"}, "")), 409},
				"sender":  {second(all.Add(ctx, Credential{Name: "c", Senders: []string{"a b"}}, "")), 400},
				"class":   {second(all.Add(ctx, Credential{Name: "c", Class: "urgent"}, "")), 400},
				"short":   {second(all.Add(ctx, Credential{Name: "c"}, "hunter2")), 400},
				"name":    {second(all.Add(ctx, Credential{}, "")), 400},
				"change":  {all.Change(ctx, Credential{Name: "none"}), 404},
				"disable": {all.Disable(ctx, "none", true), 404},
				"overlap": {second(all.Rotate(ctx, "b", "", 10_000*time.Hour)), 400},
				"remove":  {all.Remove(ctx, "b"), 200},
			} {
				if got := status(c.err); got != c.want || c.err != nil && strings.Contains(c.err.Error(), "hunter2") {
					t.Errorf("%s: %d, %v", what, got, c.err)
				}
			}
		})
	}
	if _, err := serve(t, &Control{Relay: &fakeRelay{}}).Credentials().List(t.Context()); status(err) != 501 {
		t.Errorf("without credentials: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
