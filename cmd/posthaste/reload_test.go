package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/classify"
)

// A reload puts all of a configuration in force or nothing, also when what is wrong is found by the engines alone; what
// a reload cannot change is named.
func TestReloadIsWhole(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "posthaste.toml")
	configure := func(host, rest string) {
		write(t, config, []byte(fmt.Sprintf("hostname = \"relay.test\"\ndata_dir = %q\ncontrol.socket = %q\nhttp.address = \"\"\nqueue.min_free_disk = \"0B\"\n"+
			"smart_host = \"[192.0.2.1]:%s\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n%s", filepath.Join(dir, "data"), filepath.Join(dir, "ctl"), host, rest)))
	}
	configure("2501", "")
	cfg, pos, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, config, zap.NewNop(), daemonOptions{positions: *pos})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if _, err := d.book.Add(t.Context(), auth.Credential{Name: "shop", Senders: []string{"*"}}, "a secret of the shop"); err != nil {
		t.Fatal(err)
	}
	see := func(route string) {
		t.Helper()
		found, err := d.resolver.Route(context.Background(), "x.test")
		if err != nil || !strings.Contains(fmt.Sprint(found), route) {
			t.Errorf("route %v, %v; want %s", found, err, route)
		}
	}
	see("2501")

	rules := filepath.Join(dir, "rules")
	write(t, rules, []byte("full-mailbox 554 * \"the post box is full\"\n  > 554 The post box is full\n"))
	classes := fmt.Sprintf("[classify]\nfile = %q\nactions.full-mailbox = \"count-bounce\"\n", rules)
	const taken = "[[credential]]\nname = \"shop\"\nsecret_hash = \"x\"\nsenders = [\"*\"]\n"
	secret := filepath.Join(dir, "secret")
	write(t, secret, []byte("another secret\n"))
	configure("2502", classes+strings.Replace(taken, "secret_hash = \"x\"", fmt.Sprintf("secret_file = %q", secret), 1))
	if _, err := d.reload(); err == nil || !strings.Contains(err.Error(), `credential "shop": `) {
		t.Errorf("a name that is taken: %v", err)
	}
	see("2501")

	write(t, rules, []byte("full-mailbox 554 * \"the post box is full\"\n"))
	configure("2502", classes)
	if _, err := d.reload(); err == nil || !strings.Contains(err.Error(), "posthaste.toml:10: classify.file: "+rules+":1: the rule has no example") {
		t.Errorf("a rule without an example: %v", err)
	}
	see("2501")

	write(t, rules, []byte("full-mailbox 554 * \"the post box is full\"\n  > 554 The post box is full\n"))
	configure("2502", classes+"[dns]\ntimeout = \"9s\"\n")
	if restart, err := d.reload(); err != nil || fmt.Sprint(restart) != "[dns.timeout]" {
		t.Errorf("%v wait for a restart, %v", restart, err)
	}
	see("2502")
	cfg, _, err = LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := relayPolicy(cfg)
	full := message.Status{Code: 554, Text: "The post box is full", Remote: true}
	if err != nil || p.Classes.Classify(full).Action != classify.CountBounce {
		t.Errorf("the classes are not those of the file: %v", err)
	}
}
