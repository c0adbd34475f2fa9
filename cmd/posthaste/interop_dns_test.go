//go:build interop

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/miekg/dns"
)

// nameServers are a running nsd, which has the zone of testdata/interop, and an unbound that asks it.
type nameServers struct {
	Dir          string
	NSD, Unbound int
}

func startNameServers(t *testing.T) nameServers {
	t.Helper()
	nsd, unbound := program(t, "nsd"), program(t, "unbound")
	n := nameServers{Dir: shortDir(t), NSD: freePort(t), Unbound: freePort(t)}
	for _, name := range []string{"zone", "nsd.conf", "unbound.conf"} {
		tmpl, err := template.ParseFiles("testdata/interop/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := tmpl.Execute(&b, n); err != nil {
			t.Fatal(err)
		}
		putFile(t, filepath.Join(n.Dir, name), b.String())
	}
	for _, s := range []struct {
		*child
		port int
	}{
		{spawn(t, nsd, "-d", "-c", filepath.Join(n.Dir, "nsd.conf")), n.NSD},
		{spawn(t, unbound, "-d", "-c", filepath.Join(n.Dir, "unbound.conf")), n.Unbound},
	} {
		await(t, "a name server", func() (bool, string) {
			reply, err := dns.Exchange(new(dns.Msg).SetQuestion("away.test.", dns.TypeSOA), fmt.Sprintf("127.0.0.1:%d", s.port))
			return err == nil && len(reply.Answer) == 1, fmt.Sprint(err, s.output())
		})
	}
	return n
}

// A daemon that asks real name servers sends its mail where they say.
func TestInteropDNS(t *testing.T) {
	t.Parallel()
	names := startNameServers(t)
	hosts := startReceiver(t, false, "127.0.0.11", "127.0.0.12")
	for name, port := range map[string]int{"nsd": names.NSD, "unbound": names.Unbound} {
		t.Run(name, func(t *testing.T) { mailByDNS(t, hosts, name, port) })
	}
}

func mailByDNS(t *testing.T, hosts *receiver, name string, port int) {
	back := startReceiver(t, false) // for the bounces
	r := startRelay(t, fmt.Sprintf(`dns.servers = ["127.0.0.1:%d"]
dns.allow_private = ["127.0.0.0/8"]
delivery.port = %d
routes."sender.test" = %q
`, port, hosts.port, back.address()))
	want := map[string]string{
		"prefer":      "delivered by mx1.away.test at 127.0.0.11",
		"alias":       "delivered by mx1.away.test at 127.0.0.11",
		"fallback":    "delivered by mx2.away.test at 127.0.0.12",
		"plain":       "delivered by plain.away.test at 127.0.0.12",
		"one":         "delivered by mx1.away.test at 127.0.0.11",
		"two":         "delivered by mx1.away.test at 127.0.0.11",
		"null":        "bounced 556 5.1.10 the domain null.away.test takes no mail (null MX)",
		"text":        "bounced 550 5.1.2 the domain text.away.test has neither MX nor address records",
		"nowhere":     "bounced 550 5.1.2 the domain nowhere.away.test does not exist",
		"hollow":      "bounced 550 5.4.4 the MX records of hollow.away.test name no host that has an address",
		"inside":      "bounced 550 5.7.1 mail for inside.away.test must not be delivered to private.away.test: address 10.0.0.1 is refused (private)",
		"x.dead.test": "deferred 451 4.4.3 DNS lookup of the MX records of x.dead.test failed: SERVFAIL",
	}
	if name == "nsd" { // it refuses what it does not know
		want["x.dead.test"] = "deferred 451 4.4.3 DNS lookup of the MX records of x.dead.test failed: REFUSED"
	}
	var rcpts []string
	for domain := range want {
		rcpts = append(rcpts, name+"@"+dnsDomain(domain))
	}
	post(t, r.mx, "ann@sender.test", "", awkward, rcpts...)
	bounced := 0
	for domain, want := range want {
		kind, _, _ := strings.Cut(want, " ")
		rcpt := name + "@" + dnsDomain(domain)
		e := r.await(t, kind, rcpt)
		got := fmt.Sprintf("%s %d %d.%d.%d %s", kind, e.Response.Code, e.Response.EnhancedCode.Class, e.Response.EnhancedCode.Subject, e.Response.EnhancedCode.Detail, e.Response.Content)
		if kind == "delivered" {
			m := hosts.mailTo(t, rcpt)
			checkContent(t, string(m.Content), awkward)
			got = fmt.Sprintf("delivered by %s at %s", e.Peer.Name, m.Local)
		}
		if kind == "bounced" {
			bounced++
		}
		if got != want || e.Attempts > 1 {
			t.Errorf("%s: got  %s (attempt %d)\nwant %s", domain, got, e.Attempts, want)
		}
	}
	// Domains of one system are one site, and what cannot be delivered comes back.
	if a, b := r.await(t, "delivered", name+"@one.away.test"), r.await(t, "delivered", name+"@two.away.test"); a.Site != b.Site || a.Site == "" {
		t.Errorf("sites %q and %q", a.Site, b.Site)
	}
	reported := 0
	await(t, "the bounces", func() (bool, string) {
		reported = 0
		for _, m := range back.mails(t) {
			reported += strings.Count(string(m.Content), "\r\nAction: failed\r\n")
		}
		return reported == bounced, fmt.Sprintf("%d of %d", reported, bounced)
	})
	if out, code := r.command(t, "resolve", "prefer.away.test"); code != 0 || !strings.Contains(out, "mx1.away.test") {
		t.Errorf("resolve: exit code %d\n%s", code, out)
	}
}

// dnsDomain completes the name of a domain of the zone.
func dnsDomain(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return name + ".away.test"
}
