package resolver

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/resolver/resolvertest"
)

var update = flag.Bool("update", false, "write what happened into testdata as what is expected")

// TestStories runs testdata/*.txt. A story is a list of blocks, each a command with lines for it, a
// line of dashes, and what is printed. Time is virtual; the DNS is one server, 192.0.2.53, that knows
// the zone.
//
//	zone           what the server knows from here on, in the words of resolvertest
//	config         settings; starts a new resolver
//	route DOMAIN   the route, hosts by preference and name, and how many questions were asked for it
//	explain DOMAIN
//	wait DURATION
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(want)) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("story went otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

// stage is where a story is played.
type stage struct {
	t    *testing.T
	zone *resolvertest.Zone
	r    *Resolver
}

// play returns the story with what really happened.
func play(t *testing.T, story string) string {
	zone, err := resolvertest.ParseZone("")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, zone: zone}
	s.configure("")
	defer func() { s.r.Close() }()
	var out []string
	for _, block := range strings.Split(strings.TrimRight(story, "\n"), "\n\n") {
		input, _, _ := strings.Cut(block+"\n", "----\n")
		if strings.HasPrefix(input, "#") { // a comment
			out = append(out, strings.TrimRight(input, "\n")+"\n")
			continue
		}
		command, body, _ := strings.Cut(input, "\n")
		out = append(out, input+"----\n"+s.do(command, body))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
}

func (s *stage) do(command, body string) string {
	verb, arg, _ := strings.Cut(command, " ")
	before := s.zone.Asked()
	switch verb {
	case "zone":
		if err := s.zone.Set(body); err != nil {
			s.t.Fatal(err)
		}
	case "config":
		s.r.Close()
		s.configure(body)
	case "wait":
		d, err := time.ParseDuration(arg)
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(d)
	case "route":
		route, err := s.r.Route(context.Background(), arg)
		return describe(route, err) + fmt.Sprintf("asked %d\n", s.zone.Asked()-before)
	case "explain":
		return s.r.Explain(context.Background(), arg).String()
	default:
		s.t.Fatalf("unknown command %q", command)
	}
	return ""
}

func (s *stage) configure(body string) {
	cfg := Config{Servers: []string{"192.0.2.53"}, Dial: s.zone.Dial, Routes: make(map[string]string)}
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "route":
			pattern, hop, _ := strings.Cut(value, " -> ")
			cfg.Routes[pattern] = hop
		case "smarthost":
			cfg.SmartHost = value
		case "local-name":
			cfg.LocalNames = append(cfg.LocalNames, value)
		case "local-addr":
			cfg.LocalAddrs = append(cfg.LocalAddrs, netip.MustParseAddr(value))
		case "allow":
			cfg.AllowPrefixes = append(cfg.AllowPrefixes, netip.MustParsePrefix(value))
		case "deny":
			cfg.DenyPrefixes = append(cfg.DenyPrefixes, netip.MustParsePrefix(value))
		case "families":
			cfg.Families = map[string]Families{"4": IPv4Only, "6": IPv6Only, "64": IPv6First}[value]
		default:
			s.t.Fatalf("unknown setting %q", key)
		}
	}
	r, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.r = r
}

// describe prints a route without what is left to chance.
func describe(route Route, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", route.Kind, route.Site)
	if route.LMTP {
		b.WriteString(", LMTP")
	}
	if route.Cached {
		b.WriteString(", cached")
	}
	b.WriteString(flags(route.Authentic, route.Stale) + "\n")
	hosts := slices.Clone(route.Hosts)
	slices.SortStableFunc(hosts, func(x, y Host) int {
		if x.Preference != y.Preference {
			return int(x.Preference) - int(y.Preference)
		}
		return strings.Compare(x.Name, y.Name)
	})
	for _, h := range hosts {
		fmt.Fprintf(&b, "  %d %s", h.Preference, h.Name)
		addrs := slices.Clone(h.Addrs)
		sortFamilies(addrs)
		for _, a := range addrs {
			if h.Socket == "" {
				fmt.Fprintf(&b, " %s", a)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// sortFamilies sorts addrs within the families, which stand in their order.
func sortFamilies(addrs []netip.AddrPort) {
	first := addrs[0].Addr().Is4()
	slices.SortFunc(addrs, func(x, y netip.AddrPort) int {
		if x.Addr().Is4() != y.Addr().Is4() {
			if x.Addr().Is4() == first {
				return -1
			}
			return 1
		}
		return x.Compare(y)
	})
}
