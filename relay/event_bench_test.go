package relay

import (
	"fmt"
	"path/filepath"
	"testing"
)

func BenchmarkEventEncode(b *testing.B) {
	plain := sampleEvents()[EventDelivered]
	plain.Detail = nil
	traced := sampleEvents()[EventDelivered]
	for _, bm := range []struct {
		name   string
		format EventFormat
		event  Event
	}{
		{"json", FormatJSON, plain},
		{"json-with-detail", FormatJSON, traced},
		{"postfix", FormatPostfix, plain},
		{"text", FormatText, plain},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f := EventFormatter{Format: bm.format, Hostname: "mail.a.test"}
			var line []byte
			b.ReportAllocs()
			for b.Loop() {
				line = f.Append(line[:0], &bm.event)
			}
			b.SetBytes(int64(len(line)))
		})
	}
}

// BenchmarkEventLog is what a batch costs: Append, then Flush or Sync.
func BenchmarkEventLog(b *testing.B) {
	for _, sync := range []bool{false, true} {
		for _, n := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("sync=%v/batch=%d", sync, n), func(b *testing.B) {
				l, err := OpenEventLog(EventLogOptions{Path: filepath.Join(b.TempDir(), "events.jsonl")})
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				batch := make([]Event, n)
				for i := range batch {
					batch[i] = sampleEvents()[EventDelivered]
					batch[i].Detail = nil
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := l.Append(batch); err != nil {
						b.Fatal(err)
					}
					write := l.Flush
					if sync {
						write = l.Sync
					}
					if err := write(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
			})
		}
	}
}
