package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "policy")
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	value := []byte(strings.Repeat("what must not be forgotten ", 100))
	var changes []Change
	for i := range 300 {
		changes = append(changes, Change{Table: Suppressions, Key: []byte{byte(i >> 8), byte(i)}, Value: value})
	}
	changes = append(changes, Change{Table: Keys, Key: []byte("k"), Value: value})
	if err := s.Apply(t.Context(), true, changes...); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), dir); !errors.Is(err, ErrLocked) {
		t.Errorf("of an open store: %v", err)
	}
	backup := filepath.Join(t.TempDir(), "copy")
	if err := errors.Join(s.Backup(backup), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, backup} {
		r, err := Verify(t.Context(), dir)
		if err != nil || len(r.Problems) > 0 || r.Records["suppressions"] != 300 || r.Records["keys"] != 1 {
			t.Errorf("%s: %+v, %v", dir, r, err)
		}
	}
	if _, err := Verify(context.Background(), t.TempDir()); err == nil {
		t.Error("an empty folder is no store")
	}

	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal("no table: ", err)
	}
	content, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/8] ^= 0x20
	if err := os.WriteFile(tables[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(t.Context(), dir); err == nil && len(r.Problems) == 0 {
		t.Errorf("damage was not found: %+v", r)
	}
}
