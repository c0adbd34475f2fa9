package relay

import (
	"container/list"
	"sync"
)

// slots bounds the connections out of the process over all lanes. When they are used up, a lane that
// needs one waits in line, and idle connections of other lanes are closed for it, the
// longest idle one first.
//
// Lock order: lane.mu before slots.mu.
type slots struct {
	mu    sync.Mutex
	free  int
	line  []*lane   // lanes that wait, each once
	idle  list.List // of *worker, the longest idle one in front
	limit int
}

func newSlots(limit int) *slots { return &slots{free: limit, limit: limit} }

// take gets l a connection, or puts it in line.
//
// REQUIRES l.mu.
func (s *slots) take(l *lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free > 0 {
		s.free--
		return true
	}
	if !l.inLine {
		l.inLine = true
		s.line = append(s.line, l)
	}
	if oldest := s.idle.Front(); oldest != nil {
		w := s.idle.Remove(oldest).(*worker)
		w.place = nil
		close(w.evicted)
	}
	return false
}

// give returns a connection.
func (s *slots) give() {
	s.mu.Lock()
	s.free++
	s.mu.Unlock()
}

// following returns the lane that has waited longest, if there is a connection for it.
func (s *slots) following() *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 || len(s.line) == 0 {
		return nil
	}
	l := s.line[0]
	s.line = s.line[1:]
	return l
}

// rest notes that w is idle; false means that others wait for a connection and w is to give up its own.
func (s *slots) rest(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.line) > 0 {
		return false
	}
	w.place = s.idle.PushBack(w)
	return true
}

// resume notes that w is idle no longer.
func (s *slots) resume(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.place != nil {
		s.idle.Remove(w.place)
		w.place = nil
	}
}

// used returns how many connections there are, and how many of them are idle.
func (s *slots) used() (open, idle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit - s.free, s.idle.Len()
}
