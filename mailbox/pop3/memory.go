package pop3

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// DefaultMemory is the Memory of a server that was given none, in bytes.
const DefaultMemory = 64 << 20

// memoryPatience bounds the wait of a message for memory that others use.
const memoryPatience = 30 * time.Second

// Memory bounds the content of messages that are being sent, of which each session has one piece at a time, over all
// connections of the servers that share it. It is safe for concurrent use.
type Memory struct{ sem *semaphore.Weighted }

// NewMemory returns a Memory of limit bytes, 256 KiB at least.
func NewMemory(limit int64) *Memory {
	limit = max(limit, pieceSize)
	return &Memory{semaphore.NewWeighted(limit)}
}

// take waits for size bytes, in the order of asking. It reports false if there are none in time; else free
// must be called.
func (m *Memory) take(ctx context.Context, size int64) (free func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, memoryPatience)
	defer cancel()
	if m.sem.Acquire(ctx, size) != nil {
		return nil, false
	}
	return func() { m.sem.Release(size) }, true
}
