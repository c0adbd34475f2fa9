package world

import (
	"bytes"
	"slices"
	"sync"
)

// capture keeps the newest messages within a limit of bytes.
type capture struct {
	limit int
	mu    sync.Mutex
	size  int
	kept  []Message
}

func (c *capture) add(m *Message) {
	if c.limit == 0 || len(m.Content) > c.limit {
		return
	}
	k := *m
	k.Recipients = slices.Clone(m.Recipients)
	k.Content = bytes.Clone(m.Content)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, k)
	c.size += len(k.Content)
	for c.size > c.limit {
		c.size -= len(c.kept[0].Content)
		c.kept[0] = Message{}
		c.kept = c.kept[1:]
	}
}

// Captured returns the newest messages received, oldest first, as far as Config.CaptureBytes
// allowed to keep them.
func (w *World) Captured() []Message {
	w.capture.mu.Lock()
	defer w.capture.mu.Unlock()
	return slices.Clone(w.capture.kept)
}
