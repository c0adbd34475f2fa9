package resolver

// lru is a map that forgets what was used longest ago once it holds max entries. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	max   int
	nodes map[K]*node[K, V]
	ring  node[K, V] // ring.next is the newest, ring.prev the oldest
}

type node[K comparable, V any] struct {
	prev, next *node[K, V]
	key        K
	value      V
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	c := &lru[K, V]{max: max}
	c.clear()
	return c
}

func (c *lru[K, V]) clear() {
	c.nodes = make(map[K]*node[K, V])
	c.ring.prev, c.ring.next = &c.ring, &c.ring
}

func (c *lru[K, V]) len() int { return len(c.nodes) }

// get returns the value of key and makes it the newest.
func (c *lru[K, V]) get(key K) (v V, ok bool) {
	n := c.nodes[key]
	if n == nil {
		return v, false
	}
	if c.ring.next != n {
		n.unlink()
		n.link(&c.ring)
	}
	return n.value, true
}

// put sets the value of key and makes it the newest.
func (c *lru[K, V]) put(key K, v V) {
	n := c.nodes[key]
	if n != nil {
		n.unlink()
	} else {
		if len(c.nodes) >= c.max {
			oldest := c.ring.prev
			oldest.unlink()
			delete(c.nodes, oldest.key)
		}
		n = &node[K, V]{key: key}
		c.nodes[key] = n
	}
	n.value = v
	n.link(&c.ring)
}

func (n *node[K, V]) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

func (n *node[K, V]) link(after *node[K, V]) {
	n.prev, n.next = after, after.next
	n.prev.next, n.next.prev = n, n
}
