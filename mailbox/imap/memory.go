package imap

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// sharePatience bounds the wait for what others use.
const sharePatience = 30 * time.Second

// shares bound what sessions use of something at a time: in all, and those of an account, so that one whose clients
// take their time does not keep everybody from their mail.
type shares struct {
	total *semaphore.Weighted
	each  int64 // of an account

	mu       sync.Mutex
	accounts map[string]*share
}

type share struct {
	used  *semaphore.Weighted
	users int // sessions that have something of it or wait
}

func newShares(total, each int64) *shares {
	return &shares{total: semaphore.NewWeighted(total), each: each, accounts: make(map[string]*share)}
}

// newMemory shares the memory for contents, in octets. An account may have a quarter, but always one message of that
// limit.
func newMemory(size, message int64) *shares { return newShares(size, max(size/4, message)) }

// newTurns shares the processors among those who search in bodies, which is hard work: half of them, and one for an
// account at most. The relay beside us has the others.
func newTurns() *shares { return newShares(int64(max(1, runtime.GOMAXPROCS(0)/2)), 1) }

// take waits for that much, or for all that an account may have if it is more. The error is ctx's or that it
// took too long.
func (m *shares) take(ctx context.Context, account string, size int64) (release func(), err error) {
	size = min(max(size, 1), m.each)
	ctx, cancel := context.WithTimeout(ctx, sharePatience)
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

func (m *shares) enter(account string) *share {
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.accounts[account]
	if own == nil {
		own = &share{used: semaphore.NewWeighted(m.each)}
		m.accounts[account] = own
	}
	own.users++
	return own
}

func (m *shares) leave(account string, own *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(m.accounts, account)
	}
}
