package main

import (
	"slices"
	"strings"
	"testing"
)

// What a reload cannot change is named; the rest is not.
func TestRestartKeys(t *testing.T) {
	const base = "hostname = \"a.test\"\n[[listener]]\nname = \"mx\"\naddress = \":25\"\n[[listener]]\nname = \"two\"\naddress = \":26\"\n"
	for change, want := range map[string]string{
		base: "",
		base + "[relay]\nnetworks = []\n[limits]\nmax_received = 50\n[delivery]\nconnections = 3\n[classify.actions]\nunknown = \"slow-down\"\n": "",
		base + "[dns]\ntimeout = \"9s\"\n[delivery]\nmemory = \"1GiB\"\nconnections = 3\n[events]\ndetail = false\n":                             "dns.timeout delivery.memory",
		base + "[mailbox]\ndomains = [\"c.test\"]\nquota = 0\n":                                                                                  "mailbox.domains",
		base + "[mailbox]\nmemory = \"1GiB\"\ntag = \"-\"\n":                                                                                     "mailbox.memory",
		strings.Replace(base, ":26", ":27", 1):                                                                                                   "listener[1].address",
		strings.Replace(base, "a.test", "b.test", 1):                                                                                             "hostname",
		base + "[[listener]]\nname = \"three\"\naddress = \":28\"\n":                                                                             "listener[2].name listener[2].address",
		base[:strings.Index(base, "[[listener]]\nname = \"two")]:                                                                                 "listener[1].name listener[1].address",
	} {
		running, _ := parse(t, base)
		next, _ := parse(t, change)
		got := restartKeys(running, next)
		for _, key := range strings.Fields(want) {
			if !slices.Contains(got, key) {
				t.Errorf("%q: %v, without %s", change, got, key)
			}
		}
		if want == "" && len(got) > 0 || len(got) > len(strings.Fields(want)) && !strings.Contains(want, "name") && want != "hostname" {
			t.Errorf("%q: %v, want %s", change, got, want)
		}
	}
	for _, table := range restartTables {
		if !slices.ContainsFunc(knownKeysOf(t), func(key string) bool {
			return key == table || strings.HasPrefix(key, table+".") || strings.HasPrefix(key, table+"[")
		}) {
			t.Errorf("there is no key %s", table)
		}
	}
}

func knownKeysOf(t *testing.T) (keys []string) {
	cfg, _ := parse(t, "hostname = \"a.test\"\n")
	for _, s := range settings(cfg) {
		keys = append(keys, s.key)
	}
	return keys
}
