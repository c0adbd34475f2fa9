package queue

// heapOf implements container/heap for items that know their place in it.
type heapOf[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, at int) // at is -1 for an item that left
}

// Len, Less, Swap, Push and Pop are container/heap's interface.
func (h *heapOf[T]) Len() int           { return len(h.items) }
func (h *heapOf[T]) Less(i, j int) bool { return h.less(h.items[i], h.items[j]) }
func (h *heapOf[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.moved(h.items[i], i)
	h.moved(h.items[j], j)
}
func (h *heapOf[T]) Push(x any) {
	h.items = append(h.items, x.(T))
	h.moved(x.(T), len(h.items)-1)
}
func (h *heapOf[T]) Pop() any {
	last := len(h.items) - 1
	item := h.items[last]
	var none T
	h.items[last] = none
	h.items = h.items[:last]
	h.moved(item, -1)
	return item
}

// fifo is a first-in first-out queue that keeps no memory of what has left.
type fifo[T any] struct {
	items []T
	first int
}

func (q *fifo[T]) len() int { return len(q.items) - q.first }
func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }
func (q *fifo[T]) pop() (T, bool) {
	var none T
	if q.len() == 0 {
		return none, false
	}
	v := q.items[q.first]
	q.items[q.first] = none
	if q.first++; q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
	} else if q.first > 64 && q.first > len(q.items)/2 {
		q.items, q.first = append(q.items[:0], q.items[q.first:]...), 0
	}
	return v, true
}

// peek returns the first item and leaves it.
func (q *fifo[T]) peek() (T, bool) {
	var none T
	if q.len() == 0 {
		return none, false
	}
	return q.items[q.first], true
}
