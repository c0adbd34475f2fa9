package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// close waits for the order that is under way, which may still keep its certificate; then nothing is written.
func TestACMEStorageCloses(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx, s := context.Background(), newACMEStorage(dir)
		if err := s.Lock(ctx, "order"); err != nil {
			t.Fatal(err)
		}
		closed := make(chan bool, 1)
		go func() { closed <- s.close() }()
		synctest.Wait()
		if err := s.Store(ctx, "certificate", []byte("x")); err != nil {
			t.Error(err)
		}
		select {
		case <-closed:
			t.Error("close has not waited")
		default:
		}
		if err := s.Unlock(ctx, "order"); err != nil {
			t.Error(err)
		}
		if !<-closed {
			t.Error("close has given up")
		}
		if s.Store(ctx, "later", nil) == nil || s.Delete(ctx, "certificate") == nil || s.Lock(ctx, "order") == nil {
			t.Error("the folder was changed behind close")
		}
		if got, _ := s.TryLock(ctx, "order"); got || !s.Exists(ctx, "certificate") || !s.close() {
			t.Error("what is there has changed")
		}

		// A job that never ends does not keep the daemon.
		stuck := newACMEStorage(dir)
		if err := stuck.Lock(ctx, "stuck"); err != nil {
			t.Fatal(err)
		}
		if began := time.Now(); stuck.close() || time.Since(began) != acmePatience {
			t.Error("close of a stuck one")
		}
		if err := stuck.Unlock(ctx, "stuck"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // certmagic's keeper of the lock file looks once more
	})
}
