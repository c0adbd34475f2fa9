package mailbox

import (
	"context"
	"testing"
)

// checkStore holds all records of an open store against each other.
func checkStore(t testing.TB, s *Store) {
	t.Helper()
	r, err := verifyAll(context.Background(), s.db)
	if err != nil || r.ProblemCount > 0 {
		t.Errorf("verify: %q, %v", r.Problems, err)
	}
}
