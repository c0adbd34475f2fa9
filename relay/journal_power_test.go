package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// errPowerOff is what everything on the disk of a machine without power returns.
var errPowerOff = errors.New("the power is off")

// powerDisk is a folder with an event log, and a file system with a queue, that lose their power, or their
// process, at the same moment.
type powerDisk struct {
	queue *vfs.MemFS
	dir   string

	mu     sync.Mutex
	dice   *rand.Rand
	left   int // operations until it happens
	off    bool
	cut    func() // called then
	lost   bool   // what is not synced is lost: not only the process has died
	after  *vfs.MemFS
	synced []*syncedFile
}

// syncedFile is a file of the log and how much of it is surely on the disk.
type syncedFile struct {
	info fs.FileInfo
	size int64
}

// op counts an operation. REQUIRES: d.mu.
func (d *powerDisk) op() error {
	if d.left--; d.left == 0 {
		d.off = true
		// All or nothing that is not synced: a part of it could be a state of the folder that no file system
		// leaves, and is for the queue's own tests.
		percent := 100
		if d.lost {
			percent = 100 * d.dice.IntN(2)
		}
		d.after = d.queue.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))})
		d.cut()
	}
	if d.off {
		return errPowerOff
	}
	return nil
}

// fs is the file system of the queue. What happens to it after the cut does not matter.
func (d *powerDisk) fs() vfs.FS {
	return errorfs.Wrap(d.queue, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			d.mu.Lock()
			defer d.mu.Unlock()
			_ = d.op()
		}
		return nil
	}))
}

// open opens a file of the log.
func (d *powerDisk) open(path string) (eventFile, int64, time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, 0, time.Time{}, errPowerOff
	}
	before, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, time.Time{}, err
	}
	file, size, began, err := openOSEventFile(path)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	info, err := file.(osEventFile).Stat()
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	p := &powerFile{osEventFile: file.(osEventFile), disk: d}
	for _, s := range d.synced {
		if os.SameFile(s.info, info) {
			p.synced = s
		}
	}
	if p.synced == nil {
		p.synced = &syncedFile{info: info}
		if before != nil {
			p.synced.size = before.Size() // it has been through a power failure
		}
		d.synced = append(d.synced, p.synced)
	}
	p.synced.size = min(p.synced.size, size) // zeros are cut off
	return p, size, began, nil
}

type powerFile struct {
	osEventFile
	disk   *powerDisk
	synced *syncedFile
}

func (f *powerFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, errPowerOff
	}
	if err := f.disk.op(); err != nil { // in the middle of it
		n, _ := f.osEventFile.Write(p[:f.disk.dice.IntN(len(p)+1)])
		return n, err
	}
	return f.osEventFile.Write(p)
}

func (f *powerFile) Datasync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.op(); err != nil {
		return err
	}
	size, err := f.Size()
	f.synced.size = size
	return err
}

func (f *powerFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.op(); err != nil {
		return err
	}
	f.synced.size = min(f.synced.size, size)
	return f.osEventFile.Truncate(size)
}

// restart returns the disk as the next process finds it.
func (d *powerDisk) restart(t *testing.T) *powerDisk {
	next := &powerDisk{dice: d.dice, queue: d.after, dir: t.TempDir()}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(d.dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		synced := int64(len(data))
		if info, err := e.Info(); err == nil {
			for _, s := range d.synced {
				if os.SameFile(s.info, info) {
					synced = s.size
				}
			}
		}
		kept := data
		if d.lost {
			kept = d.lose(data, int(synced))
		}
		path := filepath.Join(next.dir, e.Name())
		if err := os.WriteFile(path, kept, 0o640); err != nil {
			t.Fatal(err)
		}
		if !d.lost {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			next.synced = append(next.synced, &syncedFile{info, synced})
		}
	}
	return next
}

// lose takes from a file what was not synced, as file systems do.
func (d *powerDisk) lose(data []byte, synced int) []byte {
	data = bytes.Clone(data)
	switch d.dice.IntN(4) {
	case 0: // all
		return data[:synced]
	case 1: // a part
		return data[:synced+d.dice.IntN(len(data)-synced+1)]
	case 2: // the end, but not the length
		clear(data[synced+d.dice.IntN(len(data)-synced+1):])
	case 3: // some pages
		const page = 512
		for at := synced; at < len(data); at += page {
			if d.dice.IntN(2) == 0 {
				clear(data[at:min(at+page, len(data))])
			}
		}
	}
	return data
}

func (d *powerDisk) String() string {
	if d.lost {
		return "power failure"
	}
	return "kill"
}

// lines reads all lines of the log that are whole; the others are torn.
func (d *powerDisk) lines(t *testing.T) (events []Event, lines map[string]int) {
	lines = map[string]int{}
	paths, err := filepath.Glob(filepath.Join(d.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			if e, err := ParseEvent(line); err == nil {
				events = append(events, e)
				lines[string(line)]++
			}
		}
	}
	return events, lines
}

// run calls do while there is power, until it returns.
func (d *powerDisk) run(operations int, lost bool, do func(ctx context.Context)) (cut bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d.mu.Lock()
	d.left, d.lost, d.cut = operations, lost, cancel
	d.mu.Unlock()
	do(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

func (d *powerDisk) fatal(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Fatalf("after a %v: %s", d, fmt.Sprintf(format, args...))
}
