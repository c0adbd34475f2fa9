package dkim

import "sync"

// keyCache keeps keys by the text of their records, in two generations: when the younger is full, the older is forgotten
// and the younger takes its place.
type keyCache struct {
	mu         sync.Mutex
	limit      int // of both
	young, old map[string]*publicKey
}

func newKeyCache(limit int) *keyCache {
	return &keyCache{limit: max(limit, 2), young: make(map[string]*publicKey)}
}

// get returns the key of a record, nil if it is not known.
func (c *keyCache) get(text string) *publicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.young[text]
	if k == nil {
		if k = c.old[text]; k != nil {
			c.add(text, k)
		}
	}
	return k
}

func (c *keyCache) put(text string, k *publicKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(text, k)
}

func (c *keyCache) add(text string, k *publicKey) {
	if len(c.young) >= c.limit/2 {
		c.old, c.young = c.young, make(map[string]*publicKey)
	}
	delete(c.old, text)
	c.young[text] = k
}
