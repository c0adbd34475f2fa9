// Package recent has a map that is bounded and forgets what has not been used lately.
package recent

import "sync"

// Map keeps values in two generations: when the younger is full, the older is forgotten and the younger takes its place.
// What is used moves into the younger. So a value costs no more than its place in a Go map, and between half of the limit
// and all of it is kept. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	mu         sync.Mutex
	limit      int // of both
	young, old map[K]V
}

// NewMap returns a map of at most limit values, two at least.
func NewMap[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: max(limit, 2), young: make(map[K]V)}
}

// Get returns the value of a key, and whether there is one.
func (m *Map[K, V]) Get(k K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok = m.young[k]; ok {
		return v, true
	}
	if v, ok = m.old[k]; ok {
		m.add(k, v)
	}
	return v, ok
}

// Put sets the value of a key.
func (m *Map[K, V]) Put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(k, v)
}

func (m *Map[K, V]) add(k K, v V) {
	if half := m.limit / 2; len(m.young) >= half {
		if _, there := m.young[k]; !there {
			m.old, m.young = m.young, make(map[K]V)
		}
	}
	delete(m.old, k)
	m.young[k] = v
}

// Remove forgets a key.
func (m *Map[K, V]) Remove(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, k)
	delete(m.old, k)
}

// Len returns how many values are kept.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) + len(m.old)
}

// Full tells whether a new key would have others forgotten.
func (m *Map[K, V]) Full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) >= m.limit/2 && len(m.old) > 0
}
