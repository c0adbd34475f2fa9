package relay

import "time"

// flushInBackground flushes what nobody else has, FlushInterval after the first event of a batch.
// Close ends it.
func (l *EventLog) flushInBackground() {
	failing := false
	timer := time.NewTimer(l.opt.FlushInterval)
	defer timer.Stop()
	for {
		select {
		case <-l.dirty:
		case <-l.quit:
			return
		}
		timer.Reset(l.opt.FlushInterval)
		select {
		case <-timer.C:
		case <-l.quit:
			return
		}
		err := l.Flush()
		if err != nil {
			if !failing {
				l.report(err)
			}
			l.wakeFlusher() // again after the interval, whether or not events come
		}
		failing = err != nil
	}
}

func (l *EventLog) wakeFlusher() {
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// report hands an error to OnError. REQUIRES: no locks.
func (l *EventLog) report(err error) {
	if l.opt.OnError != nil {
		l.opt.OnError(err)
	}
}
