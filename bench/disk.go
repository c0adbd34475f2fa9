package bench

import (
	"os"
	"path/filepath"
	"time"
)

// compareDisk measures what an append and fdatasync of one message costs where the queue was,
// the least that a 250 can cost.
func (r *run) compareDisk(res *Result) error {
	appended, again, err := appendAndSync(r.dir, r.load.Size, min(max(r.load.Messages, 100), 2000))
	if err != nil {
		return err
	}
	d := &Disk{P50: appended.Percentile(50).Seconds(), P99: appended.Percentile(99).Seconds(), AgainP50: again.Percentile(50).Seconds()}
	if d.P50 > 0 {
		d.Ratio = res.Answered.P50 / d.P50
	}
	res.Disk = d
	return nil
}

// appendAndSync appends size bytes n times to a new file in dir, with an fdatasync after each, and then writes them
// once more in the same way over the blocks that are there now, as to a log that is used again.
func appendAndSync(dir string, size, n int) (appended, again *Histogram, err error) {
	f, err := os.Create(filepath.Join(dir, "append"))
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	b := make([]byte, size)
	pass := func() (*Histogram, error) {
		var h Histogram
		for i := range n {
			b[0] = byte(i)
			begin := time.Now()
			if _, err := f.Write(b); err != nil {
				return nil, err
			}
			if err := datasync(f); err != nil {
				return nil, err
			}
			h.Add(time.Since(begin))
		}
		return &h, nil
	}
	if appended, err = pass(); err != nil {
		return nil, nil, err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, nil, err
	}
	again, err = pass()
	return appended, again, err
}
