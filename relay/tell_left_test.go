package relay

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/resolver"
)

// nowhere knows no route.
type nowhere struct{}

func (nowhere) Route(context.Context, string) (resolver.Route, error) {
	return resolver.Route{}, errors.New("no route")
}

// A queue that fails while the lines of the last crash wait for a log that cannot be written ends the relay.
func TestQueueFailsWhileTheLogWaits(t *testing.T) {
	var broken atomic.Bool
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("the disk is gone")
		}
		return nil
	}))
	open := func() *queue.Queue {
		q, err := queue.Open(queue.Options{Dir: "queue", FS: disk, MinFreeDisk: -1, Memory: 16 << 20})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	q := open()
	to := []message.Recipient{{Address: "a@x.test", Domain: "x.test"}}
	put := func() error {
		_, err := q.Put(context.Background(), &message.Envelope{}, to, []byte("hello\r\n"))
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	lease, err := q.Lease("x.test")
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyFile{writeRoom: 0}
	events := openFaulty(t, f, EventLogOptions{})
	line := events.encode(nil, []Event{numbered(1)})
	done := []queue.Settlement{{Lease: lease, Results: []message.Result{message.Delivered}, Statuses: make([]message.Status, 1)}}
	if _, err := q.SettleNoted(context.Background(), done, line); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open()
	waits := make(chan struct{}, 10)
	core, _ := observer.New(zap.ErrorLevel)
	log := zap.New(core, zap.Hooks(func(zapcore.Entry) error { waits <- struct{}{}; return nil }))
	r := New(Config{Hostname: "relay.test", Queue: q, Events: events, Router: nowhere{}, Log: log}, Policy{})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context(), time.Minute) }()
	select {
	case <-waits: // it says so
	case err := <-ended:
		t.Fatal("it has not waited for the log", err)
	}
	broken.Store(true)
	if put() == nil {
		t.Fatal("the queue works without a disk")
	}
	if err := <-ended; err == nil {
		t.Error("no word of the queue")
	}
	_ = events.Close()
	_ = q.Close()
}
