package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/posthaste-mta/posthaste/message"
)

// spoil changes a byte of a record behind the queue's back.
func spoil(t *testing.T, q *Queue, key []byte) {
	t.Helper()
	value, closer, err := q.store.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), value...)
	bad[len(bad)/2] ^= 1
	_ = closer.Close()
	// Written as the queue does: removed first, so that the key is never set twice.
	if err := errors.Join(q.store.SingleDelete(key, nil), q.store.Set(key, bad, pebble.Sync)); err != nil {
		t.Fatal(err)
	}
}

// placeOf returns the schedule's key of a message with one group.
func placeOf(t *testing.T, q *Queue, id message.ID) []byte {
	t.Helper()
	w, err := newWalk(q.store, q.store, []byte{spaceSchedule}, []byte{spaceSchedule + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for ; w.valid(); w.next() {
		if _, at, _ := parsePlace(w.it.Key()); at.id == id {
			return append([]byte(nil), w.it.Key()...)
		}
	}
	t.Fatalf("%v is not in the schedule", id)
	return nil
}

// A damaged record costs its message alone: it is put aside and counted, and the others go on.
func TestDamagedRecordCostsItsMessage(t *testing.T) {
	records := map[string]func(*testing.T, *Queue, message.ID) []byte{
		"content":  func(_ *testing.T, _ *Queue, id message.ID) []byte { return idKey(spaceContent, id) },
		"schedule": placeOf,
	}
	for name, key := range records {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			q := openTest(t, Options{FS: fs})
			var ids []message.ID
			for i := range 3 {
				ids = append(ids, putTest(t, q, fmt.Sprintf("message %d\r\n", i), "a@one.test", "b@one.test"))
			}
			spoil(t, q, key(t, q, ids[1]))
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			q = openTest(t, Options{FS: fs})
			<-q.scanEnded
			delivered := 0
			for {
				l, err := q.Lease("one.test")
				if err != nil {
					t.Fatal(err)
				}
				if l == nil {
					break
				}
				if _, err := l.Content(); err != nil {
					if !errors.Is(err, ErrDamaged) || l.Envelope.ID != ids[1] {
						t.Fatalf("%v: %v", l.Envelope.ID, err)
					}
					continue
				}
				settleTest(t, q, l, message.Delivered)
				delivered++
			}
			if delivered != 2 {
				t.Errorf("delivered %d messages of the 2 that are whole", delivered)
			}
			a, err := q.Audit(context.Background())
			if err != nil || a.Damaged != 2 || a.Unaccounted() != 0 || a.Queued != 0 {
				t.Errorf("audit %+v, %v", a, err)
			}
		})
	}
}

// The envelope of a message with several groups has a record of its own.
func TestDamagedEnvelope(t *testing.T) {
	fs := vfs.NewMem()
	q := openTest(t, Options{FS: fs})
	bad := putTest(t, q, "bad\r\n", "a@one.test", "b@two.test")
	good := putTest(t, q, "good\r\n", "a@one.test", "b@two.test")
	spoil(t, q, idKey(spaceEnvelope, bad))
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, Options{FS: fs})
	for range 2 {
		l := nextLease(t, q)
		if l.Envelope.ID != good {
			t.Fatalf("leased %v", l.Envelope)
		}
		settleTest(t, q, l, message.Delivered)
	}
	if n := queued(t, q); n != 0 {
		t.Errorf("%d still queued", n)
	}
}

func TestDamagedCounters(t *testing.T) {
	fs := vfs.NewMem()
	q := openTest(t, Options{FS: fs})
	id := putTest(t, q, "one\r\n", "a@one.test")
	putTest(t, q, "two\r\n", "a@one.test", "b@two.test")
	spoil(t, q, countersKey())
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, Options{FS: fs})
	settleTest(t, q, nextLease(t, q), message.Delivered)
	if n := queued(t, q); n != 3-1 && n != 3-2 {
		t.Errorf("%d queued", n)
	}
	if q.NewID() <= id {
		t.Error("ids went back")
	}
}

const damageRounds = 30 // Pebble searches long for a flipped bit

// Any one bit of any file flips, or its end is cut off. Either the store says at Open that a file is
// damaged, or the queue works: it never delivers a wrong content, and never invents mail.
func TestFlippedBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	master := vfs.NewCrashableMem()
	contents := fillForDamage(t, master)
	refused := 0
	for range damageRounds {
		disk := powerLoss(master)
		what := damage(t, r, disk)
		q, err := Open(Options{Dir: "queue", FS: disk, Memory: minMemory})
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), "queue") {
				t.Errorf("%s: %v does not say where", what, err)
			}
			continue
		}
		got := deliverAll(t, q, what, contents)
		// What is missing is known to be, but for the end of a log: that looks as if it had never
		// been written.
		a, err := q.Audit(context.Background())
		if err != nil || int64(got)+a.Damaged+a.Queued+a.Unaccounted() != a.Accepted {
			t.Errorf("%s: %d delivered, audit %+v, %v", what, got, a, err)
		}
		if err := q.Close(); err != nil {
			t.Logf("%s: close: %v", what, err)
		}
	}
	t.Logf("%d of %d were refused at Open", refused, damageRounds)
	if refused > damageRounds/2+5 {
		t.Error("most damage keeps the store from opening")
	}
}

// fillForDamage makes a queue with tables and a log on disk.
func fillForDamage(t *testing.T, disk vfs.FS) map[message.ID]string {
	q := openTest(t, Options{FS: disk}) // left open: an orderly end would leave no log
	contents := map[message.ID]string{}
	for i := range 90 {
		content := strings.Repeat(fmt.Sprintf("message %d\r\n", i), 1+i*5)
		contents[putTest(t, q, content, fmt.Sprintf("a@d%d.test", i%7))] = content
		if i%30 == 29 && i < 80 {
			if err := q.store.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return contents
}

// damage flips a bit of a file of mail, or cuts it short.
func damage(t *testing.T, r *rand.Rand, disk vfs.FS) string {
	names, err := disk.List("queue")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, n := range names {
		if strings.HasSuffix(n, ".sst") || strings.HasSuffix(n, ".log") {
			if info, err := disk.Stat("queue/" + n); err == nil && info.Size() > 0 {
				files = append(files, "queue/"+n)
			}
		}
	}
	name := files[r.IntN(len(files))]
	data := readFile(t, disk, name)
	what := ""
	if at := r.IntN(len(data)); r.IntN(4) > 0 {
		data[at] ^= 1 << r.IntN(8)
		what = fmt.Sprintf("%s, bit at %d of %d", name, at, len(data))
	} else {
		data = data[:at]
		what = fmt.Sprintf("%s cut to %d", name, at)
	}
	f, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return what
}

func readFile(t *testing.T, disk vfs.FS, name string) []byte {
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil && len(data) > 0 {
		t.Fatal(err)
	}
	return data
}

// deliverAll delivers what can be read and returns how much.
func deliverAll(t *testing.T, q *Queue, what string, contents map[message.ID]string) int {
	delivered := 0
	<-q.scanEnded
	for i := range 7 {
		for {
			l, err := q.Lease(fmt.Sprintf("d%d.test", i))
			if err != nil {
			}
			if l == nil {
				break
			}
			content, err := l.Content()
			if errors.Is(err, ErrDamaged) {
				continue
			}
			if err != nil || string(content) != contents[l.Envelope.ID] {
				t.Errorf("%s: content of %v is wrong: %v", what, l.Envelope.ID, err)
			}
			settleTest(t, q, l, message.Delivered)
			delivered++
		}
	}
	return delivered
}
