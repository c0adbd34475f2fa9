package admin

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

func TestFilterGrammar(t *testing.T) {
	for _, tc := range []struct {
		query string
		want  queue.Filter
		err   string
	}{
		{query: "", want: queue.Filter{}},
		{query: "domain=Example.NET", want: queue.Filter{Domain: "example.net"}},
		{query: "domain=b%C3%BCcher.example", want: queue.Filter{Domain: "xn--bcher-kva.example"}},
		{query: "site=mx.example.net", want: queue.Filter{Domains: []string{"example.net", "example.org"}}},
		{query: "site=nowhere.test", err: "no mail is known for this site"},
		{query: "sender=Joe@a.test", want: queue.Filter{Sender: "Joe@a.test"}},
		{query: "sender=@A.Test", want: queue.Filter{Sender: "@a.test"}},
		{query: "sender=<>", want: queue.Filter{Sender: "<>"}},
		{query: "sender=joe", err: "want an address, @domain or <>"},
		{query: "rcpt=@", err: "rcpt:"},
		{query: "older=3d", want: queue.Filter{Older: 72 * time.Hour}},
		{query: "older=1d12h", want: queue.Filter{Older: 36 * time.Hour}},
		{query: "older=90m", want: queue.Filter{Older: 90 * time.Minute}},
		{query: "older=-1h", err: "is not an age"},
		{query: "older=soon", err: "is not an age"},
		{query: "older=", err: "want one value"},
		{query: "id=" + idOf(1).String() + "&id=" + idOf(2).String(), want: queue.Filter{IDs: []message.ID{idOf(1), idOf(2)}}},
		{query: "id=4711", err: "not a message id"},
		{query: strings.Repeat("id="+idOf(1).String()+"&", 1001) + "tenant=x", err: "more than 1000"},
		{query: "tenant=shop&domain=a.test", want: queue.Filter{Tenant: "shop", Domain: "a.test"}},
		{query: "held=true&domain=a.test", want: queue.Filter{Held: new(true), Domain: "a.test"}},
		{query: "held=no", err: "held: want true"},
		{query: "tenant=a&tenant=b", err: "want one value"},
		{query: "domian=a.test", err: "domian: no such filter"},
	} {
		v, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseFilter(v)
		switch {
		case tc.err == "" && err != nil:
			t.Errorf("%.60s: %v", tc.query, err)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%.60s: error %v, want %q", tc.query, err, tc.err)
		case tc.err == "":
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%.60s (-want +got):\n%s", tc.query, diff)
			}
		}
	}
}

func parseFilter(v url.Values) (queue.Filter, error) {
	f, err := filterFrom(v)
	if err != nil {
		return queue.Filter{}, err
	}
	return f.queueFilter((&fakeRelay{}).SiteDomains)
}

// What the client sends is what the daemon reads.
func FuzzFilter(f *testing.F) {
	f.Add("domain=a.test&older=3d&id=0nhg46g25g000")
	f.Add("sender=%3C%3E&rcpt=@b.test&tenant=&older=0s")
	f.Add("older=99999999999999999d1h")
	f.Add("older=65535d2000000h") // more than a Duration holds
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter, err := filterFrom(v)
		if err != nil {
			return
		}
		again, err := filterFrom(filter.values())
		if err != nil {
			t.Fatalf("%+v: %v", filter, err)
		}
		if diff := cmp.Diff(filter, again); diff != "" {
			t.Fatal(diff)
		}
		if _, err := filter.queueFilter(func(string) []string { return nil }); err == nil && filter.Older < 0 {
			t.Fatalf("older %v", filter.Older)
		}
	})
}
