package relay

import (
	"container/list"
	"sync"
	"sync/atomic"
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

	waiting atomic.Int64 // len(line), for those who only look
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
		s.waiting.Store(int64(len(s.line)))
		s.evict()
	}
	return false
}

// evict has the longest idle worker give up its connection.
//
// REQUIRES s.mu.
func (s *slots) evict() {
	if oldest := s.idle.Front(); oldest != nil {
		w := s.idle.Remove(oldest).(*worker)
		w.place = nil
		w.evicted <- struct{}{} // it was in the list, so the channel is empty
	}
}

// contended tells that lanes wait for a connection.
func (s *slots) contended() bool { return s.waiting.Load() > 0 }

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
	s.line[0] = nil
	s.line = s.line[1:]
	s.waiting.Store(int64(len(s.line)))
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

// resume notes that w is idle no longer: it has mail, or ends. If it was to give up its connection and
// got mail in the same moment, another has to instead.
func (s *slots) resume(w *worker, mail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.place != nil {
		s.idle.Remove(w.place)
		w.place = nil
	}
	select {
	case <-w.evicted:
		if mail {
			s.evict()
		}
	default:
	}
}

// used returns how many connections there are, and how many of them are idle.
func (s *slots) used() (open, idle int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit - s.free, s.idle.Len()
}
