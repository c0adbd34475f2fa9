package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// subBits is the resolution: 32 buckets for each doubling, so a percentile is at most 3.2 % too high.
const subBits = 5

// Histogram counts durations in buckets that grow with the value, from 1 ns to centuries. It is
// safe for concurrent use, and its zero value is empty.
type Histogram struct {
	counts [(64 - subBits) << subBits]atomic.Uint64
	max    atomic.Int64
}

// bucketOf returns the bucket of v: values below 32 have one each, later ones share.
func bucketOf(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift<<subBits + int(v>>shift)
}

// bucketTop is the largest value in a bucket.
func bucketTop(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i)
	}
	shift := i>>subBits - 1
	return (uint64(i&(1<<subBits-1))+1<<subBits+1)<<shift - 1
}

// Add counts one duration; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))].Add(1)
	for {
		old := h.max.Load()
		if old >= int64(d) || h.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// Count is how many durations were added.
func (h *Histogram) Count() uint64 {
	var n uint64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Percentile returns the duration that p percent (0 to 100) of those added do not exceed; 0 when empty.
func (h *Histogram) Percentile(p float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := max(1, uint64(p/100*float64(total)+0.5))
	var n uint64
	for i := range h.counts {
		if n += h.counts[i].Load(); n >= rank {
			return min(time.Duration(bucketTop(i)), h.Max())
		}
	}
	return h.Max()
}

// Max is the longest duration added, exactly.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Latency is a Histogram told in numbers, in seconds.
type Latency struct {
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
	Count uint64  `json:"count"`
	// Curve is the distribution for plots: pairs of percentile and seconds.
	Curve [][2]float64 `json:"curve,omitempty"`
}

// Latency returns the usual percentiles.
func (h *Histogram) Latency() Latency {
	l := Latency{
		P50: h.Percentile(50).Seconds(), P99: h.Percentile(99).Seconds(),
		P999: h.Percentile(99.9).Seconds(), Max: h.Max().Seconds(), Count: h.Count(),
	}
	if l.Count > 0 {
		for _, p := range []float64{1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100} {
			l.Curve = append(l.Curve, [2]float64{p, h.Percentile(p).Seconds()})
		}
	}
	return l
}
