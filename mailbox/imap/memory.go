package imap

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// memoryPatience bounds the wait for memory that others use.
const memoryPatience = 30 * time.Second

// memory bounds the contents that sessions hold at a time: in all, and those of an account, so that one whose
// clients take their time does not keep everybody from their mail.
type memory struct {
	total *semaphore.Weighted
	share int64 // of an account

	mu       sync.Mutex
	accounts map[string]*share
}

type share struct {
	used  *semaphore.Weighted
	users int // sessions that have something of it or wait
}

// newMemory makes a memory of size octets. An account may have a quarter, but always one message of that limit.
func newMemory(size, message int64) *memory {
	return &memory{total: semaphore.NewWeighted(size), share: max(size/4, message), accounts: make(map[string]*share)}
}

// take waits for that many octets, or for all that an account may have if they are more. The error is ctx's or that
// it took too long.
func (m *memory) take(ctx context.Context, account string, size int64) (release func(), err error) {
	size = min(max(size, 1), m.share)
	ctx, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	own := m.enter(account)
	if err := own.used.Acquire(ctx, size); err != nil {
		m.leave(account, own)
		return nil, err
	}
	if err := m.total.Acquire(ctx, size); err != nil {
		own.used.Release(size)
		m.leave(account, own)
		return nil, err
	}
	return func() {
		m.total.Release(size)
		own.used.Release(size)
		m.leave(account, own)
	}, nil
}

func (m *memory) enter(account string) *share {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.accounts[account]
	if own == nil {
		own = &share{used: semaphore.NewWeighted(m.share)}
		m.accounts[account] = own
	}
	own.users++
	return own
}

func (m *memory) leave(account string, own *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(m.accounts, account)
	}
}
