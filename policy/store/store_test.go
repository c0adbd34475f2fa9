package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openTest(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{Dir: "policy", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func set(t Table, key, value string) Change {
	return Change{Table: t, Key: []byte(key), Value: []byte(value)}
}

func apply(t *testing.T, s *Store, durable bool, changes ...Change) {
	t.Helper()
	if err := s.Apply(t.Context(), durable, changes...); err != nil {
		t.Fatal(err)
	}
}

// all returns the records of a table as "key=value".
func all(t *testing.T, s *Store, table Table, prefix string) []string {
	t.Helper()
	var found []string
	for e, err := range s.Scan(table, []byte(prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(e.Key)+"="+string(e.Value))
	}
	return found
}

func TestTablesAreApart(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	apply(t, s, true, set(Users, "anna", "1"), set(Keys, "anna", "2"), set(Keys, "anne", ""), set(Keys, "bert", "4"))
	apply(t, s, false, set(Keys, "anna", "3"), Change{Table: Users, Key: []byte("nobody")})
	if diff := cmp.Diff([]string{"anna=3", "anne="}, all(t, s, Keys, "ann")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"anna=1"}, all(t, s, Users, "")); diff != "" {
		t.Error(diff)
	}
	if v, err := s.Get(Keys, []byte("anne")); v == nil || len(v) > 0 || err != nil {
		t.Errorf("an empty value came back as %v, %v", v, err)
	}
	apply(t, s, true, Change{Table: Keys, Key: []byte("anne")})
	if _, err := s.Get(Keys, []byte("anne")); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed key: %v", err)
	}
}
