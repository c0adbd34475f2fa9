package world

import (
	"context"
	"net"
	"time"
)

// outboxParcels bounds the writes on their way at once on one connection.
const outboxParcels = 256

// outbox writes what it is given a fixed time later, like a long line: later parcels do not
// wait for earlier ones to arrive, so a client that keeps the line full is rewarded as it
// would be in the real world. Sleeping in the session instead would add up.
type outbox struct {
	parcels chan parcel
	done    chan struct{}
}

type parcel struct {
	due  time.Time
	data []byte
}

func newOutbox(ctx context.Context, conn net.Conn) *outbox {
	o := &outbox{parcels: make(chan parcel, outboxParcels), done: make(chan struct{})}
	go o.run(ctx, conn)
	return o
}

func (o *outbox) run(ctx context.Context, conn net.Conn) {
	defer close(o.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	alive := true
	for p := range o.parcels {
		if !alive {
			continue // the session still has to get rid of what it writes
		}
		timer.Reset(time.Until(p.due))
		select {
		case <-timer.C:
			_, err := conn.Write(p.data)
			alive = err == nil
		case <-ctx.Done():
			alive = false
		}
	}
}

// send takes a copy of data.
func (o *outbox) send(data []byte, delay time.Duration) {
	o.parcels <- parcel{time.Now().Add(delay), append([]byte(nil), data...)}
}

// close waits until everything has arrived.
func (o *outbox) close() {
	close(o.parcels)
	<-o.done
}
