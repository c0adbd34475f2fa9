package resolver

// lru is a map that forgets what was used longest ago when its values weigh more than max together. It
// is not safe for concurrent use.
type lru[K comparable, V any] struct {
	max, weight int
	nodes       map[K]*node[K, V]
	ring        node[K, V] // ring.next is the newest, ring.prev the oldest
}

type node[K comparable, V any] struct {
	prev, next *node[K, V]
	key        K
	value      V
	weight     int
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	c := &lru[K, V]{max: max}
	c.clear()
	return c
}

func (c *lru[K, V]) clear() {
	c.nodes, c.weight = make(map[K]*node[K, V]), 0
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

// put sets the value of key and makes it the newest. A value that weighs more than max by itself is not
// kept.
func (c *lru[K, V]) put(key K, v V, weight int) {
	if n := c.nodes[key]; n != nil {
		c.remove(n)
	}
	if weight > c.max {
		return
	}
	for c.weight+weight > c.max {
		c.remove(c.ring.prev)
	}
	n := &node[K, V]{key: key, value: v, weight: weight}
	n.link(&c.ring)
	c.nodes[key] = n
	c.weight += weight
}

func (c *lru[K, V]) remove(n *node[K, V]) {
	n.unlink()
	delete(c.nodes, n.key)
	c.weight -= n.weight
}

func (n *node[K, V]) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

func (n *node[K, V]) link(after *node[K, V]) {
	n.prev, n.next = after, after.next
	n.prev.next, n.next.prev = n, n
}
