package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// acmeStorage is the folder in which certmagic keeps accounts, keys and certificates. certmagic's jobs run in
// goroutines of its own that nobody can wait for; here they can be: close waits for those that hold a lock, as each
// order does, and afterwards none of them changes anything on the disk.
type acmeStorage struct {
	*certmagic.FileStorage

	mu      sync.Mutex
	closing bool
	busy    int           // locks that are held, and changes under way
	idle    chan struct{} // closed when closing and not busy
}

// acmePatience is how long close waits for orders under way, which its context has ended.
const acmePatience = 10 * time.Second

var errStorageClosed = errors.New("the storage of certificates is closed")

func newACMEStorage(path string) *acmeStorage {
	return &acmeStorage{FileStorage: &certmagic.FileStorage{Path: path}, idle: make(chan struct{})}
}

// begin is asked before a change. Once close was called only jobs that had begun before get on: they may have a
// certificate to keep.
func (s *acmeStorage) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing && s.busy == 0 {
		return errStorageClosed
	}
	s.busy++
	return nil
}

func (s *acmeStorage) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy--; s.closing && s.busy == 0 {
		close(s.idle)
	}
}

// close returns when no job changes anything any more, or after acmePatience; it tells whether all had ended.
func (s *acmeStorage) close() bool {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		if s.busy == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return true
	case <-time.After(acmePatience):
		return false
	}
}

// Lock implements certmagic.Locker. A lock counts until it is given back.
func (s *acmeStorage) Lock(ctx context.Context, name string) error {
	if err := s.begin(); err != nil {
		return err
	}
	err := s.FileStorage.Lock(ctx, name)
	if err != nil {
		s.end()
	}
	return err
}

// TryLock implements certmagic.TryLocker.
func (s *acmeStorage) TryLock(ctx context.Context, name string) (bool, error) {
	if err := s.begin(); err != nil {
		return false, err
	}
	got, err := s.FileStorage.TryLock(ctx, name)
	if !got || err != nil {
		s.end()
	}
	return got, err
}

// Unlock implements certmagic.Locker.
func (s *acmeStorage) Unlock(ctx context.Context, name string) error {
	defer s.end()
	return s.FileStorage.Unlock(ctx, name)
}

// Store implements certmagic.Storage.
func (s *acmeStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	return s.FileStorage.Store(ctx, key, value)
}

// Delete implements certmagic.Storage.
func (s *acmeStorage) Delete(ctx context.Context, key string) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	return s.FileStorage.Delete(ctx, key)
}
