package bench

import (
	"os"
	"path/filepath"
	"time"
)

// compareDisk measures what an append and fdatasync of one message costs where the queue was,
// the least that a 250 can cost.
func (r *run) compareDisk(res *Result) error {
	h, err := appendAndSync(r.dir, r.load.Size, min(max(r.load.Messages, 100), 2000))
	if err != nil {
		return err
	}
	d := &Disk{P50: h.Percentile(50).Seconds(), P99: h.Percentile(99).Seconds()}
	if d.P50 > 0 {
		d.Ratio = res.Answered.P50 / d.P50
	}
	res.Disk = d
	return nil
}

// appendAndSync appends size bytes n times to a new file in dir, with an fdatasync after each. The file has its
// blocks beforehand, as a log that is used again does.
func appendAndSync(dir string, size, n int) (*Histogram, error) {
	f, err := os.Create(filepath.Join(dir, "append"))
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	b := make([]byte, size)
	for range n {
		if _, err := f.Write(b); err != nil {
			return nil, err
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, err
	}
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
