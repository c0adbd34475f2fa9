package smtp

// DefaultMemory is the Budget of a server that was given none, in bytes.
const DefaultMemory = 256 << 20

// Budget bounds the memory of the messages being received, over all connections of the servers
// that share it. It is safe for concurrent use.
type Budget struct {
	limit int64
}

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns the bytes in use by messages being received.
func (b *Budget) Used() int64 { return 0 }
