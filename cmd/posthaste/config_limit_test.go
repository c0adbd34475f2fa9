package main

import (
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/policy/limit"
)

func TestAllowance(t *testing.T) {
	for text, want := range map[string]Allowance{
		"100/hour":          {Amount: 100, Period: time.Hour},
		"5/second burst 50": {Amount: 5, Period: time.Second, Burst: 50},
		"10/5m":             {Amount: 10, Period: 5 * time.Minute},
		"2000/day":          {Amount: 2000, Kind: limit.Quota},
		"2000/day burst 10": {Amount: 2000, Period: 24 * time.Hour, Burst: 10},
		"20 at once":        {Amount: 20, Kind: limit.Concurrent},
	} {
		var a Allowance
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%s: %+v, %v", text, a, err)
		}
		if a.String() != text {
			t.Errorf("%s is written as %s", text, a)
		}
	}
	for _, text := range []string{"", "100", "/hour", "100/", "1/hour at once", "at once", "5/year", "5 burst 3/hour", "5/hour burst 0", "5/hour burst", "1e3/hour", "5//hour"} {
		var a Allowance
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, a)
		}
	}
}

// What the file says is what the engine gets.
func TestLimitRules(t *testing.T) {
	cfg, _ := parse(t, `hostname = "mx.example.net"
[[limit]]
each = "credential"
for = ["shop", "ann"]
messages = ["10/second", "2000/day"]
[[limit]]
each = "client"
connections = ["20 at once"]
[tarpit]
refuse = 0
[suppression]
bounces = 0
`)
	var got []string
	for _, r := range engineRules(cfg) {
		got = append(got, r.Subject.String()+" "+r.For+": "+r.String())
	}
	want := []string{"credential shop: 10 messages a second", "credential ann: 10 messages a second", "credential shop: 2000 messages in one day",
		"credential ann: 2000 messages in one day", "client : 20 connections at once"}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if _, err := limit.New(t.Context(), limit.Options{Rules: engineRules(cfg)}); err != nil {
		t.Error(err)
	}
	if !cfg.Suppression.rule().Off || len(cfg.Tarpit.Exempt) == 0 {
		t.Error(cfg.Suppression, cfg.Tarpit)
	}
}
