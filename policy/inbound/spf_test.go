package inbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"gopkg.in/yaml.v3"
)

// suite is one of the documents of the openspf test suite.
type suite struct {
	Description string
	Tests       map[string]struct {
		Helo, Host string
		MailFrom   string `yaml:"mailfrom"`
		Result     yaml.Node
	}
	Zone map[string][]yaml.Node `yaml:"zonedata"`
}

// TestOpenSPF runs the test suite for RFC 7208 through our side of the library: resolver, sender and HELO name. The suite
// comes with the library's module.
func TestOpenSPF(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "blitiri.com.ar/go/spf").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "rfc7208-tests.yml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := 0
	for dec := yaml.NewDecoder(file); ; {
		var s suite
		if err := dec.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c := newChecker(t, s.resolver(t), Config{})
		for name, test := range s.Tests {
			n++
			want := words(&test.Result)
			got := c.SPF(t.Context(), Session{Addr: netip.MustParseAddr(test.Host), HELO: test.Helo, MailFrom: test.MailFrom})
			if why, ok := different[name]; ok {
				want = []string{why}
			}
			if !slices.Contains(want, string(got.Value)) {
				t.Errorf("%s / %s: got %s (%s), want %v", s.Description, name, got.Value, got.Reason, want)
			}
		}
	}
	if n < 200 {
		t.Errorf("%d tests", n)
	}
}

// different are tests of the suite that end otherwise, all for the library: it stops at the first mechanism that
// matches without reading on, and it passes over some domains and modifiers that are malformed. The suite that the library
// itself runs leaves out the same ones.
var different = map[string]string{
	"a-bad-domain":                 "neutral",
	"a-bad-toplabel":               "neutral",
	"a-colon-domain":               "permerror",
	"a-colon-domain-ip4mapped":     "permerror",
	"a-null":                       "neutral",
	"a-numeric":                    "neutral",
	"a-numeric-toplabel":           "neutral",
	"a-only-toplabel":              "neutral",
	"a-only-toplabel-trailing-dot": "neutral",
	"bare-ip6":                     "fail",
	"cidr4-032":                    "pass",
	"control-char-policy":          "fail",
	"detect-errors-anywhere":       "pass",
	"exp-empty-domain":             "fail",
	"exp-only-macro-char":          "fail",
	"exp-syntax-error":             "neutral",
	"exp-twice":                    "fail",
	"invalid-domain":               "fail",
	"mx-bad-domain":                "neutral",
	"mx-bad-toplab":                "neutral",
	"mx-colon-domain":              "permerror",
	"mx-colon-domain-ip4mapped":    "permerror",
	"mx-null":                      "neutral",
	"mx-numeric-top-label":         "neutral",
	"non-ascii-policy":             "fail",
	"p-macro-multiple":             "neutral",
	"redirect-empty-domain":        "neutral",
	"redirect-is-modifier":         "pass",
	"redirect-syntax-error":        "neutral",
	"unknown-modifier-syntax":      "fail",
}

// words returns a scalar or a list of scalars.
func words(n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode {
		return []string{n.Value}
	}
	var out []string
	for _, c := range n.Content {
		out = append(out, c.Value)
	}
	return out
}

// suiteDNS answers out of a suite's zone.
type suiteDNS map[string]map[string][][]string // name, type, records, strings

func (s *suite) resolver(t *testing.T) suiteDNS {
	z := make(suiteDNS)
	for name, records := range s.Zone {
		types := make(map[string][][]string)
		z[strings.ToLower(strings.TrimSuffix(name, "."))] = types
		for _, r := range records {
			if r.Kind == yaml.ScalarNode { // TIMEOUT
				types[r.Value] = [][]string{{}}
				continue
			}
			for i := 0; i+1 < len(r.Content); i += 2 {
				kind := r.Content[i].Value
				types[kind] = append(types[kind], words(r.Content[i+1]))
			}
		}
	}
	// The suite has records of the old type SPF that stand for TXT records where there are none; the
	// record NONE says that there are none on purpose.
	for _, types := range z {
		if _, ok := types["TXT"]; !ok {
			types["TXT"] = types["SPF"]
		}
		types["TXT"] = slices.DeleteFunc(types["TXT"], func(w []string) bool { return slices.Equal(w, []string{"NONE"}) })
	}
	return z
}

func (z suiteDNS) find(name, kind string) ([][]string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for range 9 {
		types, ok := z[name]
		_, timeout := types["TIMEOUT"]
		switch {
		case !ok:
			return nil, &net.DNSError{Err: "no such name", Name: name, IsNotFound: true}
		case timeout && len(types[kind]) == 0:
			return nil, &net.DNSError{Err: "timeout", Name: name, IsTimeout: true, IsTemporary: true}
		case len(types["CNAME"]) == 0:
			return types[kind], nil
		}
		name = strings.ToLower(types["CNAME"][0][0])
	}
	return nil, &net.DNSError{Err: "too many aliases", Name: name, IsTemporary: true}
}

func (z suiteDNS) LookupTXT(_ context.Context, name string) (out []string, err error) {
	records, err := z.find(name, "TXT")
	for _, r := range records {
		out = append(out, strings.Join(r, ""))
	}
	return out, err
}

func (z suiteDNS) LookupMX(_ context.Context, name string) (out []*net.MX, err error) {
	records, err := z.find(name, "MX")
	for _, r := range records {
		out = append(out, &net.MX{Host: r[1] + "."})
	}
	return out, err
}

func (z suiteDNS) LookupIP(_ context.Context, network, host string) (out []netip.Addr, err error) {
	for _, kind := range map[string][]string{"ip4": {"A"}, "ip": {"A", "AAAA"}}[network] {
		records, err := z.find(host, kind)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			out = append(out, netip.MustParseAddr(r[0]))
		}
	}
	return out, nil
}

func (z suiteDNS) LookupAddr(_ context.Context, addr netip.Addr) (out []string, err error) {
	name, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return nil, err
	}
	records, err := z.find(name, "PTR")
	for _, r := range records {
		out = append(out, r[0])
	}
	return out, err
}

func (z suiteDNS) LookupListed(context.Context, string) ([]netip.Addr, error) { return nil, nil }
