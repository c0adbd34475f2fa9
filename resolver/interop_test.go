//go:build interop

package resolver

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/miekg/dns"
)

// The zone that both real servers know. many and wide do not fit into a packet.
const interopZone = `$ORIGIN posthaste.example.
$TTL 300
@        SOA   ns hostmaster 1 3600 600 86400 60
@        NS    ns
ns       A     127.0.0.1
mail     MX    20 mx2
mail     MX    10 mx1
mx1      A     192.0.2.1
mx1      AAAA  2001:db8::1
mx2      A     192.0.2.2
alias    CNAME mail
chain    CNAME alias
null     MX    0 .
null     A     192.0.2.3
plain    A     192.0.2.4
text     TXT   "no mail here"
lost     CNAME nowhere
round1   CNAME round2
round2   CNAME round1
_under   MX    10 mx_1
mx_1     A     192.0.2.5
hollow   MX    10 nowhere
refused  MX    10 lo
lo       A     127.0.0.1
{{range .}}many MX {{.}} a-long-name-for-a-host-number-{{.}}.of-many
a-long-name-for-a-host-number-{{.}}.of-many A 192.0.2.{{.}}
wide A 192.0.2.{{.}}
wide A 198.51.100.{{.}}
{{end}}`

const nsdConfig = `server:
  ip-address: 127.0.0.1
  port: {{.NSD}}
  username: ""
  chroot: ""
  zonesdir: "{{.Dir}}"
  database: ""
  pidfile: "{{.Dir}}/nsd.pid"
  zonelistfile: "{{.Dir}}/nsd.zonelist"
  xfrdfile: "{{.Dir}}/nsd.xfrd"
  xfrdir: "{{.Dir}}"
remote-control:
  control-enable: no
zone:
  name: posthaste.example
  zonefile: "{{.Dir}}/zone"
`

// nsd does not answer for dead.example.
const unboundConfig = `server:
  interface: 127.0.0.1
  port: {{.Unbound}}
  username: ""
  chroot: ""
  directory: "{{.Dir}}"
  pidfile: "{{.Dir}}/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  do-ip6: no
  module-config: "iterator"
  root-hints: ""
  num-threads: 1
remote-control:
  control-enable: no
stub-zone:
  name: posthaste.example
  stub-addr: 127.0.0.1@{{.NSD}}
stub-zone:
  name: dead.example
  stub-addr: 127.0.0.1@{{.NSD}}
`

// TestRealServers asks nsd, which is authoritative, and unbound, which asks nsd.
func TestRealServers(t *testing.T) {
	dir := t.TempDir()
	place := struct {
		Dir          string
		NSD, Unbound int
	}{dir, freePort(t), freePort(t)}
	numbers := make([]int, 60)
	for i := range numbers {
		numbers[i] = i + 1
	}
	write(t, filepath.Join(dir, "zone"), interopZone, numbers)
	write(t, filepath.Join(dir, "nsd.conf"), nsdConfig, place)
	write(t, filepath.Join(dir, "unbound.conf"), unboundConfig, place)
	run(t, "/usr/sbin/nsd", "-d", "-c", filepath.Join(dir, "nsd.conf"))
	run(t, "/usr/sbin/unbound", "-d", "-c", filepath.Join(dir, "unbound.conf"))
	for name, port := range map[string]int{"nsd": place.NSD, "unbound": place.Unbound} {
		server := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)).String()
		awaitServer(t, name, server)
		t.Run(name, func(t *testing.T) { askRealServer(t, server, name == "unbound") })
	}
}

func askRealServer(t *testing.T, server string, recursive bool) {
	r, err := New(Config{Servers: []string{server}, DNSSEC: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want := map[string]string{
		"mail":    "mx (mx1|mx2).posthaste.example\n  10 mx1.posthaste.example 192.0.2.1:25 [2001:db8::1]:25\n  20 mx2.posthaste.example 192.0.2.2:25\n",
		"null":    "556 5.1.10 the domain null.posthaste.example takes no mail (null MX)\n",
		"plain":   "implicit plain.posthaste.example\n  0 plain.posthaste.example 192.0.2.4:25\n",
		"text":    "550 5.1.2 the domain text.posthaste.example has neither MX nor address records\n",
		"nowhere": "550 5.1.2 the domain nowhere.posthaste.example does not exist\n",
		"lost":    "550 5.1.2 the domain lost.posthaste.example does not exist\n",
		"_under":  "mx mx_1.posthaste.example\n  10 mx_1.posthaste.example 192.0.2.5:25\n",
		"hollow":  "550 5.4.4 the MX records of hollow.posthaste.example name no host that has an address\n",
		"refused": "550 5.7.1 mail for refused.posthaste.example must not be delivered to lo.posthaste.example: address 127.0.0.1 is refused (loopback)\n",
	}
	want["alias"], want["chain"] = want["mail"], want["mail"]
	if recursive {
		want["x.dead.example"] = "451 4.4.3 DNS lookup of the MX records of x.dead.example failed: SERVFAIL\n"
	}
	for domain, want := range want {
		if !strings.Contains(domain, ".") {
			domain += ".posthaste.example"
		}
		if got := describe(r.Route(t.Context(), domain)); got != want {
			t.Errorf("%s: got %swant %s\n%s", domain, got, want, r.Explain(t.Context(), domain))
		}
	}
	// unbound follows the circle a few times and hands it over, nsd as far as it goes.
	if got := describe(r.Route(t.Context(), "round1.posthaste.example")); !strings.HasPrefix(got, "451 4.4.3 ") {
		t.Errorf("circle: got %s", got)
	}
	before := r.Metrics().TCPQueries
	route, err := r.Route(t.Context(), "many.posthaste.example")
	if err != nil || len(route.Hosts) != maxHosts || r.Metrics().TCPQueries != before+1 {
		t.Errorf("many MX: %d hosts, %v, %d by TCP", len(route.Hosts), err, r.Metrics().TCPQueries-before)
	}
	route, err = r.Route(t.Context(), "wide.posthaste.example")
	if err != nil || len(route.Hosts[0].Addrs) != maxHostAddresses || r.Metrics().TCPQueries != before+2 {
		t.Errorf("many addresses: %+v, %v, %d by TCP", route, err, r.Metrics().TCPQueries-before)
	}
	if m := r.Metrics(); m.Ignored != 0 || m.Timeouts != 0 {
		t.Errorf("metrics: %+v", m)
	}
}

func write(t *testing.T, path, text string, data any) {
	t.Helper()
	var b bytes.Buffer
	if err := template.Must(template.New(path).Parse(text)).Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// freePort returns a port of the loopback address that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().(*net.UDPAddr).Port
}

// run keeps a server running for the length of the test and shows what it said if the test failed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make deps-interop installs it)", err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, said.String())
		}
	})
}

// awaitServer waits until the server answers.
func awaitServer(t *testing.T, name, server string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("posthaste.example.", dns.TypeSOA)
	client := dns.Client{Timeout: 200 * time.Millisecond}
	err := fmt.Errorf("%s did not start", name)
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var reply *dns.Msg
		if reply, _, err = client.Exchange(m, server); err == nil && len(reply.Answer) == 1 {
			return
		}
	}
	t.Fatalf("%s: %v", name, err)
}
