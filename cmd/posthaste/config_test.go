package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) (*Config, *Positions) {
	t.Helper()
	cfg, pos, err := ParseConfig("f.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg, pos
}

// An empty file is a working relay for this machine.
func TestDefaultsAreValid(t *testing.T) {
	cfg, pos := parse(t, `hostname = "mx.example.net"`)
	if got := cfg.Bounce.From; got != "MAILER-DAEMON@mx.example.net" {
		t.Errorf("bounce.from = %q", got)
	}
	if n := len(cfg.Listeners); n != 2 {
		t.Errorf("%d listeners, want 2", n)
	}
	if got := pos.Where("hostname"); got != "f.toml:1" {
		t.Errorf("hostname is said to be from %s", got)
	}
	if got := pos.Where("data_dir"); got != "default" {
		t.Errorf("data_dir is said to be from %s", got)
	}
}

// A list given as [] is empty; only one left out gets the default.
func TestEmptyListIsNotTheDefault(t *testing.T) {
	cfg, _ := parse(t, "hostname = 'h'\n[relay]\nnetworks = []")
	if len(prefixes(cfg.Relay.Networks)) != 0 {
		t.Errorf("networks = %v, want none", cfg.Relay.Networks)
	}
}

func TestOverridesReplaceOnlyWhatTheySet(t *testing.T) {
	cfg, _ := parse(t, `
hostname = "h"
[[listener]]
address = ":25"
limits = { recipients = 250 }
[delivery]
connections = 7
[[site]]
match = ["example.com"]
messages_per_second = 2.5
timeouts.mail = "3s"
[[retry.domain]]
match = [".slow.example"]
intervals = ["1h"]
expire = "48h"
`)
	if got := cfg.Limits.With(cfg.Listeners[0].Limits); got.Recipients != 250 || got.Errors != cfg.Limits.Errors {
		t.Errorf("listener limits: %+v", got)
	}
	d := cfg.Delivery.With(cfg.Sites[0])
	if d.Connections != 7 || d.MessagesPerSecond != 2.5 || d.Timeouts.Mail.Duration != 3*time.Second {
		t.Errorf("site: %+v", d)
	}
	if d.Timeouts.Rcpt != cfg.Delivery.Timeouts.Rcpt || cfg.Delivery.Timeouts.Mail.Duration == 3*time.Second {
		t.Errorf("the site's timeouts leak: %+v and %+v", d.Timeouts, cfg.Delivery.Timeouts)
	}
	r := cfg.Retry.With(cfg.Retry.Domains[0])
	if len(r.Intervals) != 1 || r.Expire.Hours() != 48 || r.Jitter != cfg.Retry.Jitter {
		t.Errorf("retry: %+v", r)
	}
}

// The two sides of each override agree in names and types, and in keys and bounds.
func TestOverridesMatchTheirBase(t *testing.T) {
	for _, pair := range [][2]any{
		{Limits{}, ListenerLimits{}}, {Delivery{}, Site{}}, {Timeouts{}, PartialTimeouts{}}, {Retry{}, RetryDomain{}},
	} {
		base, partial := reflect.TypeOf(pair[0]), reflect.TypeOf(pair[1])
		for i := range partial.NumField() {
			p := partial.Field(i)
			if p.Name == "Match" || p.Type.Kind() == reflect.Struct {
				continue
			}
			b, ok := base.FieldByName(p.Name)
			if !ok || p.Type != reflect.PointerTo(b.Type) || p.Tag != b.Tag {
				t.Errorf("%s.%s does not match %s", partial.Name(), p.Name, base.Name())
			}
		}
	}
}

// Every key has a name, and every bound can be read.
func TestTags(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || isText(typ) {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Tag.Get("toml") == "" {
				t.Errorf("%s.%s has no key", typ.Name(), f.Name)
			}
			value := f.Type
			for value.Kind() == reflect.Pointer || value.Kind() == reflect.Slice {
				value = value.Elem()
			}
			for _, tag := range []string{"min", "max"} {
				if s := f.Tag.Get(tag); s != "" && !(parseBound(s, value) >= 0) {
					t.Errorf("%s.%s: %s:%q cannot be read", typ.Name(), f.Name, tag, s)
				}
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
}

// What `posthaste check` prints is a configuration that means the same.
func TestSettingsReadBack(t *testing.T) {
	text, err := os.ReadFile("testdata/config/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := parse(t, string(text))
	for _, s := range settings(cfg) {
		if strings.Contains(s.key, "[") {
			continue // TOML cannot name an element of a list in a dotted key
		}
		back := "hostname = 'h'\n" + s.key + " = " + s.String() + "\n"
		if s.key == "hostname" {
			back = s.key + " = " + s.String()
		}
		if strings.HasSuffix(s.key, ".pool") {
			continue // names a table that the line alone does not have
		}
		if s.key == "limits.message_size" {
			back += "limits.message_memory = '1GiB'"
		}
		got, _ := parse(t, back)
		for _, b := range settings(got) {
			if b.key == s.key && b.String() != s.String() {
				t.Errorf("%s: printed %s, read back as %s", s.key, s, b)
			}
		}
	}
}

// Each testdata/config/*.toml with an .err beside it is refused with exactly those lines.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.err")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, want := range files {
		name := strings.TrimSuffix(filepath.Base(want), ".err")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(want, ".err") + ".toml")
			if err != nil {
				t.Fatal(err)
			}
			wantText, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			got := "no error"
			if _, _, err := ParseConfig(name+".toml", text); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(strings.TrimSpace(string(wantText)), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestValues(t *testing.T) {
	for in, want := range map[string]string{
		"64MiB": "64MiB", "1024KiB": "1MiB", "10MB": "10000000B", "0": "0B", "512B": "512B", "3 GiB": "3GiB",
		"": "", "-1": "", "1.5MiB": "", "MiB": "", "9999999999999TiB": "", "+5": "", "5 5": "",
	} {
		var s Size
		err := s.UnmarshalText([]byte(in))
		if got := s.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("size %q: %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"90s": "1m30s", "5ms": "5ms", "2h": "2h", "0s": "0s", "300s": "5m", "5": "", "1d": "", "": "",
	} {
		var d Duration
		err := d.UnmarshalText([]byte(in))
		if got := d.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("duration %q: %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32", "::1": "::1/128",
		"10.0.0.1/8": "", "fe80::1%eth0": "", "x": "",
	} {
		var p Prefix
		err := p.UnmarshalText([]byte(in))
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("network %q: %v, %v; want %q", in, p, err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/config/*.toml")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(string(text))
		}
	}
	f.Add("[[listener]]\n[listener.limits]\n[[retry.domain]]\nmatch=['x']")
	f.Add("site = [{match = ['a.b'], timeouts = {mail = '5s'}}, {}]")
	f.Add("listener = []\nroutes.\"*\" = 'x'\nretry.domain = [{}]")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, pos, err := ParseConfig("f", []byte(text))
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if line == "" {
					t.Errorf("an empty line in %q", err)
				}
			}
			return
		}
		for _, s := range settings(cfg) {
			_ = s.String()
			_ = pos.Where(s.key)
		}
	})
}
