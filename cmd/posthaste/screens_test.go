package main

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy/milter"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/relay"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

const screensConfig = `hostname = "mx.example.net"
[[listener]]
name = "mx"
address = ":25"
[[listener]]
name = "office"
address = ":587"
kind = "submission"
`

// A reload puts checks, greylist and filters in force, and keeps the connections of filters that stay as they are.
func TestScreensReload(t *testing.T) {
	names := resolvertest.Start(t, "")
	r, err := resolver.New(resolver.Config{Servers: []string{names.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	kept, err := store.Open(store.Options{Dir: "policy", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	cfg, _ := parse(t, screensConfig)
	s, err := openScreens(cfg, kept, r, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	reload := func(text string) (p relay.Policy) {
		t.Helper()
		cfg, _ := parse(t, screensConfig+text)
		if err := s.apply(cfg, &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := reload(""); p.Inbound.Checker == nil || p.Inbound.Greylist != nil || len(p.Milters) != 0 {
		t.Errorf("by default: %+v", p.Inbound)
	}
	const first = "[[milter]]\nname = \"a\"\naddress = \"tcp:127.0.0.1:1\"\n"
	one := reload("[inbound]\nenabled = false\n[greylist]\nenabled = true\n" + first)
	if one.Inbound.Checker != nil || one.Inbound.Greylist == nil || len(one.Milters["mx"]) != 1 || len(one.Milters["office"]) != 1 {
		t.Errorf("greylist and a filter: %+v %+v", one.Inbound, one.Milters)
	}
	two := reload("[[milter]]\nname = \"b\"\naddress = \"unix:/none\"\n" + first + "listeners = [\"mx\"]\n")
	if len(two.Milters["mx"]) != 2 || two.Milters["mx"][1] != one.Milters["mx"][0] || len(two.Milters["office"]) != 1 {
		t.Errorf("another before it: %+v", two.Milters)
	}
	three := reload(first + "on_failure = \"pass\"\n")
	if three.Milters["mx"][0] == one.Milters["mx"][0] || len(s.retired) != 2 {
		t.Errorf("a changed one: %+v, %d retired", three.Milters, len(s.retired))
	}
	if m := s.filterMetrics(); len(m) != 1 || m["a"] != (milter.Metrics{}) {
		t.Errorf("metrics %+v", m)
	}
}
