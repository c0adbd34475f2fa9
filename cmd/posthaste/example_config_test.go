package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

const exampleFile = "../../packaging/posthaste.example.toml"

// withoutComments sets every setting that the example leaves at its default.
func withoutComments(t *testing.T, text string) string {
	t.Helper()
	tls := t.TempDir()
	for cert, key := range map[string]string{"fullchain.pem": "key.pem", "other.pem": "other.key"} {
		pair := makePair(t, tls, "made", time.Now().Add(time.Hour), "relay.example.net")
		write(t, filepath.Join(tls, cert), read(t, pair.cert))
		write(t, filepath.Join(tls, key), read(t, pair.key))
	}
	if err := os.WriteFile(filepath.Join(tls, "shop"), []byte("a secret of the shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(tls, "provider"), []byte("a password of ours\n"))
	text = strings.ReplaceAll(text, "/etc/posthaste/tls", tls)
	text = strings.ReplaceAll(text, "/etc/posthaste/credentials", tls)
	return regexp.MustCompile(`(?m)^#(["a-z\[])`).ReplaceAllString(text, "$1")
}

func readExample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The example is accepted as it stands, and with every setting in it set.
func TestExampleIsAccepted(t *testing.T) {
	text := readExample(t)
	parse(t, text)
	parse(t, withoutComments(t, text))
}

// The example shows every key there is.
func TestExampleIsComplete(t *testing.T) {
	nodes, err := readDocument([]byte(withoutComments(t, readExample(t))))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, n := range nodes {
		names := make([]string, len(n.parts))
		for i, p := range n.parts {
			names[i] = p.name
			shown[strings.Join(names[:i+1], ".")] = true
		}
	}
	for _, path := range knownKeys(reflect.TypeFor[Config](), nil) {
		key := strings.Join(path, ".")
		if !shown[key] && !strings.HasPrefix(key, "listener.limits.") {
			t.Errorf("%s is missing", key)
		}
	}
}

// What it says to be the default is the default.
func TestExampleShowsDefaults(t *testing.T) {
	cfg, pos := parse(t, withoutComments(t, readExample(t)))
	defaults, _ := parse(t, `hostname = "relay.example.net"`)
	want := map[string]string{}
	for _, s := range settings(defaults) {
		want[s.key] = s.String()
	}
	for _, s := range settings(cfg) {
		inList := strings.Contains(s.key, "[") || strings.HasPrefix(s.key, "routes.") || s.key == "mailbox.domains"
		if got := s.String(); !inList && got != want[s.key] {
			t.Errorf("%s: %s = %s, but the default is %s", pos.Where(s.key), s.key, got, want[s.key])
		}
	}
}
