package bench

import (
	"bytes"
	"context"
	"net/smtp"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/bench/world"
)

// brokenRelay is a relay with faults that a test chooses: it forwards each message to the next
// world before it acknowledges it.
func brokenRelay(t *testing.T, next *world.World, fault func(n uint64, send func(content []byte))) string {
	t.Helper()
	w, err := world.Start(t.Context(), world.Config{
		CatchAll: &world.Site{Hosts: []string{"relay.test"}},
		OnMessage: func(m *world.Message) {
			n, _ := readLetter(m.Content, castagnoli())
			fault(n, func(content []byte) {
				err := smtp.SendMail(next.HostAddr("mx1.site0.bench.test"), nil, m.Sender, m.Recipients, content)
				if err != nil {
					t.Error(err)
				}
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w.HostAddr("relay.test")
}

func sinkFor(t *testing.T, o *Oracle, m world.Manner) *world.World {
	t.Helper()
	w, err := world.Start(t.Context(), world.Config{
		Sites: world.Town(1, 1, 1, m), OnMessage: o.Arrived, OnRefused: o.RefusedThere,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

// TestOracleSeesWhatARelayDoesWrong sends through a relay that loses, doubles, alters and mixes up.
func TestOracleSeesWhatARelayDoesWrong(t *testing.T) {
	letter := func(n uint64) []byte { return newLetterMaker(1000).make(n) }
	for name, test := range map[string]struct {
		fault func(n uint64, send func([]byte))
		want  Tally
	}{
		"faultless": {
			func(n uint64, send func([]byte)) { send(letter(n)) },
			Tally{Acknowledged: 20, Delivered: 20},
		},
		"one lost": {
			func(n uint64, send func([]byte)) {
				if n != 3 {
					send(letter(n))
				}
			},
			Tally{Acknowledged: 20, Delivered: 18, Lost: 2},
		},
		"one doubled": {
			func(n uint64, send func([]byte)) {
				send(letter(n))
				if n == 3 {
					send(letter(n))
				}
			},
			Tally{Acknowledged: 20, Delivered: 20, Doubled: 2},
		},
		"one altered": {
			func(n uint64, send func([]byte)) {
				c := letter(n)
				if n == 3 {
					c = bytes.Replace(c, []byte("line 1 "), []byte("line 9 "), 1)
				}
				send(c)
			},
			Tally{Acknowledged: 20, Delivered: 20, Corrupted: 1},
		},
		"one with another's content": {
			func(n uint64, send func([]byte)) {
				if n == 3 {
					send(letter(4))
				} else {
					send(letter(n))
				}
			},
			Tally{Acknowledged: 20, Delivered: 20, Mixed: 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewOracle(2)
			addr := brokenRelay(t, sinkFor(t, o, world.Manner{}), test.fault)
			l := NewLoader(Load{Messages: 10, Sessions: 3, Size: 1000, Recipients: 2}, addr, o)
			if r, err := l.Run(t.Context()); err != nil || r.Acked != 10 {
				t.Fatal(r, err)
			}
			got := o.Tally()
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if want := test.want.Lost+test.want.Corrupted+test.want.Mixed == 0; got.Clean() != want {
				t.Errorf("clean: %v", got.Clean())
			}
			if o.Pending() != test.want.Lost {
				t.Errorf("%d pending", o.Pending())
			}
		})
	}
}

func TestRejectedRecipientsHaveEnded(t *testing.T) {
	o := NewOracle(1)
	sink := sinkFor(t, o, world.Manner{Reject: 1})
	o.Sending(0)
	if err := smtp.SendMail(sink.HostAddr("mx1.site0.bench.test"), nil, "b0@x.test", []string{"r0.0@d0.bench.test"}, nil); err == nil {
		t.Fatal("accepted")
	}
	o.Acked(0)
	if diff := cmp.Diff(Tally{Acknowledged: 1, Rejected: 1}, o.Tally()); diff != "" || o.Pending() != 0 {
		t.Error(o.Pending(), diff)
	}
}

func TestUnacknowledgedAndRefusedMailThatArrives(t *testing.T) {
	o := NewOracle(1)
	for n := range uint64(4) {
		o.Sending(n)
	}
	o.Refused(1)
	arrive := func(rcpt string, n uint64) {
		o.Arrived(&world.Message{Sender: "b", Recipients: []string{rcpt}, Content: newLetterMaker(400).make(n)})
	}
	arrive("r0.0@x", 0)
	arrive("r0.1@x", 1)
	arrive("r0.99999999@x", 99999999)
	arrive("postmaster@x", 2)
	o.Arrived(&world.Message{Recipients: []string{"b3@" + SenderDomain}})
	want := Tally{Delivered: 2, InDoubt: 1, AfterRefusal: 1, Strangers: 2, Bounces: 1}
	if diff := cmp.Diff(want, o.Tally()); diff != "" {
		t.Error(diff)
	}
}

// TestLoad looks at what the load makes of refusals and dropped connections.
func TestLoad(t *testing.T) {
	for name, test := range map[string]struct {
		manner world.Manner
		load   Load
		check  func(LoadResult, world.Stats) bool
	}{
		"a connection for each message": {world.Manner{}, Load{Messages: 20, Sessions: 4, Reuse: 1},
			func(r LoadResult, s world.Stats) bool { return r.Acked == 20 && s.Connections == 20 }},
		"reused connections": {world.Manner{}, Load{Messages: 20, Sessions: 4},
			func(r LoadResult, s world.Stats) bool { return r.Acked == 20 && s.Connections <= 4 }},
		"pipelining": {world.Manner{}, Load{Messages: 20, Sessions: 4, Pipelining: true, Recipients: 3},
			func(r LoadResult, s world.Stats) bool { return r.Acked == 20 && s.Recipients == 60 }},
		"a third refused": {world.Manner{TempFail: 0.3}, Load{Messages: 100, Sessions: 4},
			func(r LoadResult, s world.Stats) bool {
				return r.Refused == int64(s.Refused) && r.Refused > 0 && r.Acked == int64(s.Messages)
			}},
		"refused while pipelining": {world.Manner{TempFail: 0.3}, Load{Messages: 100, Sessions: 4, Pipelining: true},
			func(r LoadResult, s world.Stats) bool {
				return r.Refused == int64(s.Refused) && r.Refused > 0 && r.Broken == 0
			}},
		"dropped connections": {world.Manner{Drop: 0.5}, Load{Messages: 30, Sessions: 2, Reuse: 1},
			func(r LoadResult, s world.Stats) bool {
				return r.Broken == int64(s.Dropped) && r.Broken > 0 && r.Acked == int64(s.Messages)
			}},
		"open loop": {world.Manner{}, Load{Messages: 20, Sessions: 4, Rate: 1000},
			func(r LoadResult, s world.Stats) bool { return r.Acked == 20 && r.Wall >= 19*time.Millisecond }},
	} {
		t.Run(name, func(t *testing.T) {
			o := NewOracle(max(1, test.load.Recipients))
			w := sinkFor(t, o, test.manner)
			test.load.Size = 600
			r, err := NewLoader(test.load, w.HostAddr("mx1.site0.bench.test"), o).Run(t.Context())
			if err != nil || !test.check(r, w.Stats()) {
				t.Errorf("%+v %+v %v", r, w.Stats(), err)
			}
			if tally := o.Tally(); !tally.Clean() || tally.Doubled > 0 || tally.InDoubt > 0 {
				t.Errorf("%+v", tally)
			}
		})
	}
}

func TestLoadFailsWhenNobodyListens(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := NewLoader(Load{Messages: 1, Size: 300}, loopback(port), NewOracle(1))
	if r, err := l.Run(ctx); err == nil || r.Broken != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestOpenLoopIsDueWhateverCameBefore: the fifth message at 10 a second is due after 400 ms, also
// for a session that comes late.
func TestOpenLoopIsDueWhateverCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoader(Load{Rate: 10}, "", nil)
		l.begin = time.Now()
		if due := l.waitDue(t.Context(), 4); due.Sub(l.begin) != 400*time.Millisecond || time.Since(due) != 0 {
			t.Error("early comer:", due.Sub(l.begin), time.Since(due))
		}
		time.Sleep(time.Second)
		if due := l.waitDue(t.Context(), 5); due.Sub(l.begin) != 500*time.Millisecond || time.Since(due) != 900*time.Millisecond {
			t.Error("late comer:", due.Sub(l.begin), time.Since(due))
		}
	})
}

// TestOracleCountsOncePerRecipientWhicheverComesFirst: the delivery may overtake the 250.
func TestOracleCountsOncePerRecipientWhicheverComesFirst(t *testing.T) {
	o := NewOracle(1)
	var race atomic.Int32
	for n := range uint64(200) {
		o.Sending(n)
		done := make(chan struct{})
		go func() {
			o.Arrived(&world.Message{Sender: "b", Recipients: []string{string(appendRecipient(nil, n, 0, "x"))}, Content: newLetterMaker(300).make(n)})
			race.Add(1)
			close(done)
		}()
		o.Acked(n)
		<-done
	}
	if o.Pending() != 0 || o.Delivered.Count() != 200 {
		t.Errorf("%d pending, %d latencies", o.Pending(), o.Delivered.Count())
	}
}
