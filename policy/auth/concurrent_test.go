package auth

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Logins, changes and open sessions at the same time: nobody sees half of a change.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	w.guard.o.AddressFailures, w.guard.o.NameFailures = 1e6, 1e6
	w.add("app")
	live := w.mustLogin(here, "app", secret)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 20 {
				if _, err := w.login(here, "app", secret); err != nil && err != ErrFailed {
					t.Error(err)
				}
				if _, err := w.login(there, fmt.Sprint("nobody", i), "x"); err != ErrFailed {
					t.Error(err)
				}
				if _, err := live.Credential(); err != nil && err != ErrGone {
					t.Error(err)
				}
				_ = w.book.List()
			}
		})
	}
	for i := range 10 {
		err := errors.Join(w.book.Disable(ctx, "app", i%2 == 0),
			w.book.SetReadOnly(ctx, []ReadOnly{{Credential: Credential{Name: fmt.Sprint("file", i)}, Secret: secret}}))
		if _, rotated := w.book.Rotate(ctx, "app", secret, time.Hour); err != nil || rotated != nil {
			t.Error(err, rotated)
		}
	}
	wg.Wait()
	if w.book.Len() != 2 {
		t.Errorf("%d credentials", w.book.Len())
	}
}
