package recent

import (
	"testing"

	"pgregory.net/rapid"
)

// What is used goes on being known; what is not makes room.
func TestForgets(t *testing.T) {
	m := NewMap[int, string](4)
	for i := range 100 {
		m.Put(i, "x")
		if v, ok := m.Get(0); !ok || v != "x" {
			t.Fatalf("after %d, what is used is forgotten", i)
		}
	}
	if _, ok := m.Get(50); ok || m.Len() > 4 {
		t.Errorf("%d values are kept", m.Len())
	}
}

// The map never says what was not put, nor an older value, and keeps its bound.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 9).Draw(t, "limit")
		m, model := NewMap[int, int](limit), map[int]int{}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, v := rapid.IntRange(0, 12).Draw(t, "k"), rapid.Int().Draw(t, "v")
				full := m.Full()
				before := m.Len()
				_, known := m.Get(k)
				m.Put(k, v)
				model[k] = v
				if got, ok := m.Get(k); !ok || got != v {
					t.Fatalf("put %d, got %d, %v", v, got, ok)
				}
				if !full && !known && m.Len() != before+1 {
					t.Fatalf("%d values after %d, though there was room", m.Len(), before)
				}
			},
			"get": func(t *rapid.T) {
				k := rapid.IntRange(0, 12).Draw(t, "k")
				want, there := model[k]
				if got, ok := m.Get(k); ok && (!there || got != want) {
					t.Fatalf("got %d, want %d, %v", got, want, there)
				}
			},
			"remove": func(t *rapid.T) {
				k := rapid.IntRange(0, 12).Draw(t, "k")
				m.Remove(k)
				delete(model, k)
				if _, ok := m.Get(k); ok {
					t.Fatal("still there")
				}
			},
			"": func(t *rapid.T) {
				if m.Len() > max(limit, 2) {
					t.Fatalf("%d values, the limit is %d", m.Len(), limit)
				}
			},
		})
	})
}
