package queue

// budget splits Options.Memory, in bytes.
type budget struct {
	memTable   int64 // one memtable; there may be memTables of them
	blockCache int64
	contents   int64 // contents waiting for their first attempt
	windows    int64 // heads of the schedule
}

const (
	defaultMemory = 160 << 20
	minMemory     = 16 << 20
	// memTables is how many memtables there may be before writes wait: one being filled, two
	// being flushed. Large ones matter more than many: a message delivered before its memtable is
	// full costs the disk its log record and nothing more.
	memTables = 3
)

func newBudget(memory int64) budget {
	if memory <= 0 {
		memory = defaultMemory
	}
	memory = max(memory, minMemory)
	return budget{
		memTable:   memory / 5,
		blockCache: memory / 8,
		contents:   memory / 8,
		windows:    memory / 8,
	}
}
