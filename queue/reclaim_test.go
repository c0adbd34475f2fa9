package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// A backlog that was delivered gives its disk space back.
func TestDeliveredBacklogGivesSpaceBack(t *testing.T) {
	q := openTest(t, Options{})
	r := rand.NewChaCha8([32]byte{})
	content := make([]byte, 20_000)
	for i := range 300 {
		_, _ = r.Read(content)
		putTest(t, q, string(content), fmt.Sprintf("a@d%d.test", i%3))
	}
	tables := func() int64 {
		if err := q.store.Flush(); err != nil {
			t.Fatal(err)
		}
		m := q.store.Metrics()
		return m.Total().TablesSize
	}
	before := tables()
	var kept []*Lease
	for i := range 300 {
		l, err := q.Lease(fmt.Sprintf("d%d.test", i%3))
		if l == nil || err != nil {
			t.Fatal(l, err)
		}
		if i < 290 {
			settleTest(t, q, l, message.Delivered)
		} else {
			kept = append(kept, l)
		}
	}
	if err := q.reclaimOnce(context.Background(), 1000); err != nil {
		t.Fatal(err)
	}
	if after := tables(); before < 5_000_000 || after > 10*21_000 {
		t.Errorf("%d bytes of tables before, %d after", before, after)
	}
	if n := queued(t, q); n != 10 {
		t.Errorf("%d queued", n)
	}
	// With the disk below its reserve, marks that are still in memory must not keep the space.
	for _, l := range kept[:9] {
		settleTest(t, q, l, message.Delivered)
	}
	if err := q.reclaimOnce(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if after := tables(); after > 2*21_000 {
		t.Errorf("%d bytes of tables for one message", after)
	}
	if n := queued(t, q); n != 1 {
		t.Errorf("%d queued", n)
	}
	if n := len(q.store.pieces(1)); n < 2 {
		t.Errorf("%d pieces", n)
	}
}
