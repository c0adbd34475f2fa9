package bench

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestPercentilesAreHardlyTooHigh holds every percentile against a sorted list.
func TestPercentilesAreHardlyTooHigh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Hour)), 1, 300).Draw(t, "values")
		var h Histogram
		for _, v := range values {
			h.Add(time.Duration(v))
		}
		slices.Sort(values)
		p := rapid.Float64Range(0, 100).Draw(t, "p")
		rank := max(1, int(p/100*float64(len(values))+0.5))
		exact := time.Duration(values[rank-1])
		got := h.Percentile(p)
		if got < exact || float64(got) > float64(exact)*1.033+1 {
			t.Fatalf("p%g is %v, exactly %v", p, got, exact)
		}
		if h.Max() != time.Duration(values[len(values)-1]) || h.Count() != uint64(len(values)) {
			t.Fatalf("max %v, count %d", h.Max(), h.Count())
		}
	})
}

func TestBucketsAreInOrderAndHaveNoGaps(t *testing.T) {
	for i := range (64 - subBits) << subBits {
		top := bucketTop(i)
		if bucketOf(top) != i {
			t.Fatalf("the top of bucket %d, %d, is in bucket %d", i, top, bucketOf(top))
		}
		if top+1 != 0 && bucketOf(top+1) != i+1 {
			t.Fatalf("%d is in bucket %d, not %d", top+1, bucketOf(top+1), i+1)
		}
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h Histogram
	if l := h.Latency(); l.Count != 0 || l.P50 != 0 || l.Curve != nil {
		t.Errorf("%+v", l)
	}
}
