package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/posthaste-mta/posthaste/bench/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestScenariosWithoutARelay runs every shape of scenario straight into the sink.
func TestScenariosWithoutARelay(t *testing.T) {
	for _, name := range []string{"small", "connections", "recipients", "large100k", "sequential", "roundtrip", "mixed"} {
		t.Run(name, func(t *testing.T) {
			found, err := FindScenarios([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			sc := found[0]
			opts := &Options{Messages: 10, Sessions: 3, Sites: min(sc.Sites, 1), Dir: t.TempDir()}
			opts.adapt(&sc)
			sc.Manner.Delay = min(sc.Manner.Delay, time.Millisecond)
			sc.Load.Domains = 1
			res, err := runScenario(t.Context(), opts, sc, Straight{})
			if err != nil || res.Sent.Acked != 10 || !res.Tally.Clean() || res.Tally.Doubled > 0 || res.Trouble != "" {
				t.Errorf("%+v %v", res, err)
			}
			if left, _ := os.ReadDir(opts.Dir); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

func TestRunTellsWhatItDoesNotKnow(t *testing.T) {
	for name, opts := range map[string]Options{
		`no scenario "huge"`:    {Scenarios: []string{"huge"}},
		`no peer "sendmail"`:    {Peers: []string{"sendmail"}, Binary: os.Args[0]},
		"is no program":         {Binary: "/nowhere/posthaste"},
		"smtp-sink go together": {LoadTool: "smtp-source"},
	} {
		if _, err := Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
}

// TestGroupSeesChildrenThatEnded: the CPU time of a child that has ended stays counted, with and without a
// control group.
func TestGroupSeesChildrenThatEnded(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return // measured on Linux only
	}
	const spin = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); echo ready; read line"
	for name, g := range map[string]*Group{"control group, if there is one": NewGroup(), "process tree": {}} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", spin)
			in, _ := cmd.StdinPipe()
			out, _ := cmd.StdoutPipe()
			cmd.SysProcAttr = &syscall.SysProcAttr{}
			g.Attach(cmd.SysProcAttr)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			g.SetRoot(cmd.Process.Pid)
			defer g.Close()
			defer cmd.Wait()
			defer in.Close()
			_, _ = out.Read(make([]byte, 6))
			u, err := g.Usage(true)
			if err != nil || u.Procs != 1 || u.CPU < 20*time.Millisecond || u.PSS == 0 {
				t.Errorf("%+v %v", u, err)
			}
		})
	}
}

// TestGolden holds the texts that others read against files: configurations and reports.
func TestGolden(t *testing.T) {
	byMX := Setting{Dir: "/bench/relay", Port: 2525, DNS: "127.0.0.1:53", DeliveryPort: 2600, Connections: 5, Retry: time.Second,
		Table: map[string]string{"b.test": "127.0.0.3:2600", "a.test": "127.0.0.2:2600"}}
	oneHop := Setting{Dir: "/bench/relay", Port: 2525, NextHop: "127.0.0.2:2600", Connections: 50, Retry: time.Second, NoChunking: true}
	signing := oneHop
	signing.Signing = []SigningKey{{"sender.bench.test", "bench0", "rsa", "/bench/rsa.pem"}, {"sender.bench.test", "bench1", "ed25519", "/bench/ed25519.pem"}}
	inlet := func(in Inlet) string { s := oneHop; s.Inlet = in; return (&Posthaste{}).config(s) }
	mailboxes := oneHop
	mailboxes.Inlet.Mailboxes, mailboxes.IMAPPort = Mailboxes{Users: 2, First: 1}, 1143
	texts := map[string]string{
		"posthaste-mailbox.toml":     (&Posthaste{}).config(mailboxes),
		"posthaste-checked-off.toml": inlet(Inlet{Strangers: true}),
		"posthaste-checked.toml":     inlet(Inlet{Strangers: true, Checks: true}),
		"posthaste-login-off.toml":   inlet(Inlet{Submission: true}),
		"posthaste-login.toml":       inlet(Inlet{Submission: true, Checks: true}),
		"posthaste-signing.toml":     (&Posthaste{}).config(signing),
		"opendkim.conf":              opendkimConfig(signing.Signing[1], 8891) + "# main.cf\n" + opendkims{{addr: "127.0.0.1:8891"}, {addr: "127.0.0.1:8892"}}.settings(),
		"posthaste-mx.toml":          (&Posthaste{}).config(byMX),
		"posthaste-hop.toml":         (&Posthaste{Extra: "[events]\npath = \"none\"\n"}).config(oneHop),
		"postfix-mx.cf":              postfixMain(byMX) + "# transport\n" + postfixTransport(byMX),
		"postfix-hop.cf":             postfixMain(oneHop) + "# transport\n" + postfixTransport(oneHop),
		"exim-mx.conf":               eximConfig("/usr/sbin/exim4", byMX),
		"exim-hop.conf":              eximConfig("/usr/sbin/exim4", oneHop),
		"opensmtpd-mx.conf":          opensmtpdConfig(byMX),
		"opensmtpd-hop.conf":         opensmtpdConfig(oneHop),
	}
	var table, page, data bytes.Buffer
	rep := sampleReport()
	if err := rep.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := rep.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if err := rep.WriteJSON(&data); err != nil {
		t.Fatal(err)
	}
	texts["report.txt"], texts["report.html"], texts["report.json"] = table.String(), page.String(), data.String()
	for name, got := range texts {
		file := filepath.Join("testdata", name)
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (UPDATE=1 writes it anew):\n%s", name, diff)
		}
	}
}

func sampleReport() *Report {
	run := func(scenario, relay string, round int, rate, cpu float64) Result {
		return Result{
			Scenario: scenario, Relay: relay, Round: round, Tools: "built in",
			AcceptedPerSecond: rate * 1.1, DeliveredPerSecond: rate, MBPerSecond: rate * 4096 / 1e6, CPUPerThousand: cpu,
			Answered: Latency{P50: 0.001, P99: 0.01, P999: 0.02, Max: 0.03, Count: 100, Curve: [][2]float64{{1, 0.0005}, {50, 0.001}, {99, 0.01}, {100, 0.03}}},
			PeakPSS:  64 << 20, PeakRSS: 70 << 20, WrittenPerMessage: 6000,
			Tally:  Tally{Acknowledged: 100, Delivered: 100},
			Series: []Point{{At: 0}, {At: 1, Accepted: 60, Delivered: 40}, {At: 2, Accepted: 100, Delivered: 100}},
		}
	}
	bad := run("small", "other", 2, 300, 3)
	bad.Tally.Lost, bad.Trouble = 1, "1 not delivered while the bench waited; last error: <script>alert(1)</script>"
	seq := run("sequential", "posthaste", 1, 900, 0.2)
	seq.Disk = &Disk{P50: 0.0001, P99: 0.0005, AgainP50: 0.00008, Ratio: 10}
	scenarios, _ := FindScenarios([]string{"small", "sequential", "checked-off", "checked"})
	return &Report{
		Made:    time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC),
		Machine: Machine{OS: "linux/amd64", CPU: "a CPU", Cores: 2, Memory: 8 << 30}, Command: []string{"posthaste", "bench"},
		Missing: []string{"exim is missing: run `make deps-interop`"}, Scenarios: scenarios,
		Results: []Result{run("small", "posthaste", 1, 5000, 0.12), run("small", "other", 1, 400, 2.5), run("small", "posthaste", 2, 5200, 0.13), bad, seq,
			run("checked-off", "posthaste", 1, 4000, 0.15), run("checked", "posthaste", 1, 3000, 0.2)},
	}
}

// TestBacklogWithoutARelayIsRefused: what the bench does not start it cannot restart.
func TestBacklogWithoutARelayIsRefused(t *testing.T) {
	found, _ := FindScenarios([]string{"backlog"})
	_, err := runScenario(context.Background(), &Options{Dir: t.TempDir()}, found[0], &External{Addr: "127.0.0.1:9"})
	if err == nil || !strings.Contains(err.Error(), "cannot be restarted") {
		t.Error(err)
	}
}

func TestToolSinkReadsItsCounters(t *testing.T) {
	s := &toolSink{want: 12, all: make(chan struct{})}
	for _, piece := range []string{"sess=1 quit=0 me", "sg=1\rsess=1 quit=0 mesg=1", "1\r", "sess=1 quit=1 mesg=12\r", "sess=1 quit=1 mesg=13\r"} {
		if _, err := s.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-s.all:
	default:
		t.Error("the end was not seen")
	}
	if s.count() != 13 {
		t.Error(s.count())
	}
}

func BenchmarkLoadIntoSink(b *testing.B) {
	o := NewOracle(1)
	w, err := world.Start(b.Context(), world.Config{Sites: world.Town(1, 1, 1, world.Manner{}), OnMessage: o.Arrived})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	b.ReportAllocs()
	l := NewLoader(Load{Messages: b.N, Sessions: 10, Size: 4096}, w.HostAddr("mx1.site0.bench.test"), o)
	if _, err := l.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
}
