package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestReverseName(t *testing.T) {
	for _, a := range []string{"192.0.2.1", "2001:db8::1", "255.0.0.9", "fe80::abcd:12"} {
		want, err := dns.ReverseAddr(a)
		if got := reverseName(netip.MustParseAddr(a)); got+"." != want || err != nil {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

// Long texts come back whole from a zone file.
func TestQuotedText(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 700} {
		r := &zoneRecord{Name: "x.example", Type: "TXT", Value: strings.Repeat("a", n) + "; p=1"}
		rr, err := dns.NewRR(r.zoneLine())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(rr.(*dns.TXT).Txt, ""); got != r.Value {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestCodeOfRecords(t *testing.T) {
	for want, records := range map[int][]*zoneRecord{
		exitOK:       {{Status: recordOK}, {Status: recordMissing, Optional: true}, {}},
		exitTempFail: {{Status: recordUnknown}, {Status: recordOK}},
		exitNo:       {{Status: recordUnknown}, {Status: recordDifferent, Optional: true}},
	} {
		if got := codeOfRecords(records); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// With a smart host the world sees another's address.
func TestRecordsBehindSmartHost(t *testing.T) {
	cfg, _ := parse(t, "hostname = \"mail.example.com\"\nsmart_host = \"smtp.provider.example\"\nrelay.domains = [\"example.com\"]")
	for _, r := range newZone(cfg, nil, "example.com").records([]netip.Addr{netip.MustParseAddr("203.0.113.25")}) {
		if r.Type == "PTR" || r.Type == "SRV" || r.Type == "CNAME" {
			t.Errorf("%+v", r)
		}
		if strings.HasPrefix(r.Value, "v=spf1") && !strings.Contains(r.For, "include:") {
			t.Errorf("%+v", r)
		}
	}
}
