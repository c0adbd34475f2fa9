package limit

import "time"

// instant is one moment for all that is decided at it.
type instant struct {
	ns      int64 // since the limiter began
	day     int32
	dayLeft int64 // ns
}

// calendar is a day, so that not each event has to ask which one it is.
type calendar struct {
	day        int32 // the days since 1970 that its date is
	begin, end time.Time
}

func (l *Limiter) instant() instant {
	now := l.now()
	today := l.today.Load()
	if today == nil || now.Before(today.begin) || !now.Before(today.end) {
		today = dayOf(now, l.location)
		l.today.Store(today)
	}
	return instant{ns: int64(now.Sub(l.epoch)), day: today.day, dayLeft: int64(today.end.Sub(now))}
}

func dayOf(now time.Time, location *time.Location) *calendar {
	y, m, d := now.In(location).Date()
	return &calendar{
		day:   int32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)),
		begin: time.Date(y, m, d, 0, 0, 0, 0, location),
		end:   time.Date(y, m, d+1, 0, 0, 0, 0, location),
	}
}
