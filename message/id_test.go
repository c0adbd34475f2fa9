package message

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIDTextSortsAsNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ID(rapid.Uint64().Draw(t, "a")), ID(rapid.Uint64().Draw(t, "b"))
		if (a < b) != (a.String() < b.String()) {
			t.Fatalf("%d is %s, %d is %s", a, a, b, b)
		}
		for _, text := range []string{a.String(), strings.ToUpper(a.String())} {
			if back, err := ParseID(text); err != nil || back != a {
				t.Fatalf("%s is %d, read back %d, %v", text, a, back, err)
			}
		}
		if text, _ := a.AppendText(nil); string(text) != a.String() {
			t.Fatalf("%s and %s", text, a)
		}
	})
	for _, bad := range []string{"", "0", "00000000000000", "000000000000i", "000000000000-", "g000000000000", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if id, err := ParseID(bad); err != ErrBadID {
			t.Errorf("%q: %v, %v", bad, id, err)
		}
	}
}

func TestIDsOnlyGrow(t *testing.T) {
	clock := time.Date(2025, 3, 1, 9, 30, 0, 123456000, time.UTC)
	ids := IDs{Now: func() time.Time { return clock }}
	first := ids.Next()
	if !first.Time().Equal(clock) {
		t.Errorf("made at %v, says %v", clock, first.Time())
	}
	second := ids.Next() // in the same microsecond
	clock = clock.Add(-time.Hour)
	third := ids.Next() // the clock was set back
	ids.StartAfter(third + 1000)
	ids.StartAfter(first)
	fourth := ids.Next()
	if !slices.IsSorted([]ID{first, second, third, fourth}) || first == second || second == third || fourth <= third+1000 {
		t.Errorf("%d %d %d %d", first, second, third, fourth)
	}
	clock = time.Unix(0, 0) // before the epoch
	if next := new(IDs{Now: ids.Now}).Next(); next != 1 {
		t.Errorf("before the epoch: %d", next)
	}
}

func TestIDsAreUniqueAcrossGoroutines(t *testing.T) {
	var ids IDs
	made := make([][]ID, 8)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			for range 1000 {
				made[i] = append(made[i], ids.Next())
			}
		})
	}
	wg.Wait()
	all := slices.Concat(made...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 8000 {
		t.Errorf("%d ids of 8000 differ", n)
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		s                              Status
		text                           string
		positive, temporary, permanent bool
		enhanced                       string
	}{
		{Status{}, "000 ", false, false, false, "0.0.0"},
		{Status{Code: 250, Text: "Ok"}, "250 Ok", true, false, false, "2.0.0"},
		{Status{Code: 451, Enhanced: EnhancedCode{4, 7, 1}, Text: "later"}, "451 4.7.1 later", false, true, false, "4.7.1"},
		{Status{Code: 550, Text: "no"}, "550 no", false, false, true, "5.0.0"},
	} {
		s := c.s
		enhanced := s.WithEnhanced()
		if s.String() != c.text || s.Error() != c.text || s.Positive() != c.positive || s.Temporary() != c.temporary || s.Permanent() != c.permanent {
			t.Errorf("%+v: %s", s, s)
		}
		if got := enhanced.String(); got != c.enhanced && enhanced != (EnhancedCode{}) {
			t.Errorf("%+v: %s", s, got)
		}
	}
}

func TestNotifyAndResult(t *testing.T) {
	for n, want := range map[Notify][2]bool{0: {true, true}, NotifyNever: {}, NotifyFailure: {true, false}, NotifyDelay: {false, true}, NotifySuccess: {}} {
		if got := [2]bool{n.WantsFailure(), n.WantsDelay()}; got != want {
			t.Errorf("%b: %v, want %v", n, got, want)
		}
	}
	names := map[string]bool{}
	for r := range NumResults {
		names[r.String()] = true
		if r.Ended() != (r != Deferred) {
			t.Errorf("%s ended: %v", r, r.Ended())
		}
	}
	if len(names) != int(NumResults) || names["unknown"] {
		t.Errorf("%v", names)
	}
}
