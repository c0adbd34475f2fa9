package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
)

const longPassword = "a good long password"

// mailLoginsFor has the credentials ann@a.test, with a mailbox, and shop, without.
func mailLoginsFor(t *testing.T) (*mailLogins, *auth.Book) {
	s, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	book, err := auth.OpenBook(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann@a.test", "shop@a.test", "shop"} {
		if _, err := book.Add(t.Context(), auth.Credential{Name: name, Senders: []string{"*"}}, longPassword); err != nil {
			t.Fatal(err)
		}
	}
	return &mailLogins{
		auth: auth.New(book, auth.NewGuard(auth.GuardOptions{}), nil),
		has:  func(account string) bool { return account == "ann@a.test" },
	}, book
}

// The login is of the account with the same name, over TLS alone, and as long as the credential is what it was.
func TestMailLogins(t *testing.T) {
	l, book := mailLoginsFor(t)
	safe := mailbox.Client{Addr: netip.MustParseAddr("192.0.2.1"), TLS: &tls.ConnectionState{Version: tls.VersionTLS13}}
	clear := mailbox.Client{Addr: safe.Addr}
	if got := l.Mechanisms(nil); got != nil {
		t.Errorf("in clear: %v", got)
	}
	if got := l.Mechanisms(safe.TLS); !slices.Contains(got, auth.ScramSHA256) || !slices.Contains(got, auth.Plain) {
		t.Errorf("over TLS: %v", got)
	}
	var refused *mailbox.LoginError
	if _, err := l.Password(t.Context(), clear, "ann@a.test", longPassword); !errors.As(err, &refused) || !refused.Malformed {
		t.Errorf("in clear: %v", err)
	}
	if _, err := l.Begin(t.Context(), "EXTERNAL", safe); !errors.As(err, &refused) || !refused.Malformed {
		t.Errorf("mechanism: %v", err)
	}
	owner, err := l.Password(t.Context(), safe, "ANN@a.test", longPassword)
	if err != nil || owner.Account() != "ann@a.test" || owner.Check() != nil {
		t.Fatal(owner, err)
	}
	l.inClear = true
	if _, err := l.Password(t.Context(), clear, "ann@a.test", longPassword); err != nil {
		t.Errorf("in clear, where it is allowed: %v", err)
	}
	if err := book.Disable(t.Context(), "ann@a.test", true); err != nil {
		t.Fatal(err)
	}
	if owner.Check() == nil {
		t.Error("disabled, and the session goes on")
	}
}

// Nothing tells a wrong name from a wrong password or from a credential that has no mailbox; who guesses on is banned.
func TestMailLoginsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := mailLoginsFor(t)
		client := mailbox.Client{Addr: netip.MustParseAddr("192.0.2.1"), TLS: &tls.ConnectionState{}}
		for _, c := range [][2]string{{"ann@a.test", "another long password"}, {"bob@a.test", longPassword}, {"shop@a.test", longPassword}, {"shop", longPassword}} {
			_, err := l.Password(t.Context(), client, c[0], c[1])
			var refused *mailbox.LoginError
			if !errors.As(err, &refused) || *refused != (mailbox.LoginError{Text: "Authentication failed"}) {
				t.Errorf("%s: %+v", c[0], err)
			}
		}
		if _, err := l.Password(t.Context(), client, "ann@a.test\x00x", longPassword); err == nil || !err.(*mailbox.LoginError).Malformed {
			t.Errorf("NUL: %v", err)
		}
		for i := range 50 {
			_, err := l.Password(t.Context(), client, "ann@a.test", "wrong password no. "+string(rune('a'+i)))
			if err.(*mailbox.LoginError).Banned {
				return
			}
			time.Sleep(time.Second)
		}
		t.Error("never banned")
	})
}

func TestLoginErrors(t *testing.T) {
	for err, want := range map[error]mailbox.LoginError{
		auth.ErrFailed:    {Text: "Authentication failed"},
		auth.ErrMalformed: {Malformed: true, Text: "Malformed authentication response"},
		auth.ErrBusy:      {Temporary: true, Text: "Too many logins at once, try again later"},
		context.Canceled:  {Temporary: true, Text: "The login was not checked, try again later"},
		error(message.Status{Code: 421, Text: "Too many failed logins, try again in 15 min"}): {Banned: true, Text: "Too many failed logins, try again in 15 min"},
	} {
		var got *mailbox.LoginError
		if !errors.As(loginError(err), &got) || *got != want {
			t.Errorf("%v: %+v", err, got)
		}
	}
}
