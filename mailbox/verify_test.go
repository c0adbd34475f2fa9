package mailbox

import (
	"context"
	"testing"
)

// checkStore holds all records of an open store against each other.
func checkStore(t testing.TB, s *Store) {
	t.Helper()
	snapshot := s.db.NewSnapshot() // sweeps go on
	defer snapshot.Close()
	r, err := verifyAll(context.Background(), snapshot)
	if err != nil || r.ProblemCount > 0 {
		t.Errorf("verify: %q, %v", r.Problems, err)
	}
}
