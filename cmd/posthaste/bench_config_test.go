package main

import (
	"path/filepath"
	"testing"
)

// TestBenchConfigurations: what the bench writes for its relays is understood.
func TestBenchConfigurations(t *testing.T) {
	for _, name := range []string{"mx", "hop", "checked-off", "checked", "login-off", "login", "mailbox"} {
		if _, _, err := LoadConfig(filepath.Join("../../bench/testdata", "posthaste-"+name+".toml")); err != nil {
			t.Error(err)
		}
	}
}
