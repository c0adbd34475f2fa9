package smtp

import (
	"math/bits"
	"sync"
)

// DefaultMemory is the Budget of a server that was given none, in bytes.
const DefaultMemory = 256 << 20

const (
	// bufferMinBits is the smallest class of content buffers, 16 KiB: it holds most mail whole.
	bufferMinBits = 14
	// bufferIdleBits is the largest class that is kept for reuse, 4 MiB. For larger content the cost
	// of a fresh buffer is small beside that of moving the bytes.
	bufferIdleBits = 22
)

// Budget bounds the memory of the messages being received, over all connections of the servers
// that share it, and keeps their buffers for reuse. It is safe for concurrent use.
type Budget struct {
	limit int64

	mu   sync.Mutex
	used int64 // lent out
	idle int64 // on the free lists
	free [bufferIdleBits - bufferMinBits + 1][][]byte
}

// NewBudget returns a Budget of limit bytes. Idle buffers, at most an eighth of it, are within
// the limit.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns the bytes in use by messages being received.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Reserve counts bytes that a Backend uses for a message beside the content that it was handed, until Release; false
// if the budget does not allow it now. The nil Budget allows anything.
func (b *Budget) Reserve(size int64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+size > b.limit {
		return false
	}
	b.used += size
	if b.used+b.idle > b.limit {
		b.dropIdle()
	}
	return true
}

// Release gives back what Reserve counted.
func (b *Budget) Release(size int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= size
}

// allows tells whether content of size bytes (0: unknown) would fit now.
func (b *Budget) allows(size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used+max(size, 1<<bufferMinBits) <= b.limit
}

// take lends a buffer of at least size bytes, or nil if the budget does not allow it now. Its
// content is arbitrary.
func (b *Budget) take(size int) []byte {
	class := max(bits.Len(uint(size-1)), bufferMinBits)
	size = 1 << class
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+int64(size) > b.limit {
		return nil
	}
	b.used += int64(size)
	if class <= bufferIdleBits {
		list := &b.free[class-bufferMinBits]
		if n := len(*list); n > 0 {
			buf := (*list)[n-1]
			(*list)[n-1] = nil
			*list = (*list)[:n-1]
			b.idle -= int64(size)
			return buf
		}
	}
	if b.used+b.idle > b.limit {
		b.dropIdle()
	}
	return make([]byte, size)
}

// give takes back a buffer from take.
func (b *Budget) give(buf []byte) {
	size := int64(len(buf))
	class := bits.Len(uint(size - 1))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= size
	if class <= bufferIdleBits && b.idle+size <= b.limit/8 {
		list := &b.free[class-bufferMinBits]
		*list = append(*list, buf)
		b.idle += size
	}
}

// dropIdle leaves the idle buffers to the garbage collector. REQUIRES: b.mu.
func (b *Budget) dropIdle() {
	for i := range b.free {
		b.free[i] = nil
	}
	b.idle = 0
}
