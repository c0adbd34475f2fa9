package queue

// contentCache keeps the contents of messages just accepted until their first attempt, so that mail
// delivered soon is never read from disk. It belongs to the schedule and is guarded by its lock.
type contentCache struct {
	limit, bytes int64
	order        fifo[*loaded] // by age; some may have left already
	live         int           // those that have not
	hits, misses int64
}

// staleAfter is the age in microseconds at which a content may be put out to make room. Below it the
// newest stays out instead: what came first is sent first.
const staleAfter = 2_000_000

// add takes a message's content in, or drops it if there is no room.
func (c *contentCache) add(m *loaded, now int64) {
	size := int64(len(m.content))
	for c.bytes+size > c.limit {
		old, ok := c.order.peek()
		if !ok || (old.content != nil && now-old.since < staleAfter) {
			m.content = nil
			return
		}
		c.order.pop()
		c.drop(old)
	}
	m.since = now
	c.bytes += size
	c.live++
	c.order.push(m)
	if n := c.order.len(); n > 1024 && n > 2*c.live {
		c.compact()
	}
}

// compact forgets the contents that have left.
func (c *contentCache) compact() {
	var order fifo[*loaded]
	for {
		m, ok := c.order.pop()
		if !ok {
			break
		}
		if m.content != nil {
			order.push(m)
		}
	}
	c.order = order
}

func (c *contentCache) drop(m *loaded) {
	if m.content == nil {
		return
	}
	c.bytes -= int64(len(m.content))
	c.live--
	m.content = nil
}

// unref tells that one of the message's entries has left memory.
func (c *contentCache) unref(m *loaded) {
	if m == nil {
		return
	}
	if m.refs--; m.refs == 0 {
		c.drop(m)
	}
}
