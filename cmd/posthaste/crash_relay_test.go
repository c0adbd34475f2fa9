package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/relay"
)

// crashRelay is the folder of one relay and the process that runs on it, again and again.
type crashRelay struct {
	t      *testing.T
	world  *crashWorld
	dir    string
	config string // beside the routes; the newest place counts
	tables string // further tables of the configuration
	routes map[string]string
	events string // path of the event log
	*crashProcess
}

// crashProcess is one life of the relay.
type crashProcess struct {
	cmd    *exec.Cmd
	begun  time.Time
	ready  chan struct{} // closed when it listens
	addr   string        // where it listens, when it is ready
	ending chan struct{} // closed when it says that it ends
	exited chan struct{} // closed when it has ended and its log is read

	mu    sync.Mutex
	log   []string       // the newest lines of its own log
	times map[string]int // how often it said what
}

func newCrashRelay(t *testing.T, w *crashWorld, config string) *crashRelay {
	t.Helper()
	r := &crashRelay{t: t, world: w, dir: t.TempDir(), config: config, routes: map[string]string{}}
	for domain, h := range w.hosts {
		r.routes[domain] = h.socket.Addr().String()
	}
	r.events = filepath.Join(r.dir, "data", "events.jsonl")
	t.Cleanup(func() {
		if r.crashProcess != nil {
			r.kill()
			<-r.exited
			if t.Failed() {
				t.Logf("the relay's log:\n%s", strings.Join(r.log, "\n"))
			}
		}
	})
	return r
}

// crashConfig is what all stories share; small files, so that rotation has its part in the crashes.
const crashConfig = `
hostname = "relay.test"
[[listener]]
name = "mx"
address = "127.0.0.1:0"
[queue]
memory = "16MiB"
min_free_disk = 0
[delivery]
connections = 6
tls = "none"
[retry]
intervals = ["20ms", "50ms", "100ms", "400ms"]
jitter = 0.5
[events]
detail = false
rotate_size = "256KiB"
keep = 1000
[http]
address = ""
[log]
format = "json"
`

func (r *crashRelay) configFile() string { return filepath.Join(r.dir, "posthaste.toml") }

// writeConfig writes the configuration: what all share, with the story's own lines in place of those with
// the same key.
func (r *crashRelay) writeConfig() {
	r.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir = %q\n%s", filepath.Join(r.dir, "data"),
		mergeConfig(crashConfig, r.config+"\nevents.path = "+strconv.Quote(r.events)))
	fmt.Fprintf(&b, "[control]\nsocket = %q\n[routes]\n", filepath.Join(r.dir, "ctl.sock"))
	for domain, addr := range r.routes {
		fmt.Fprintf(&b, "%q = %q\n", domain, addr)
	}
	b.WriteString(r.tables)
	if err := os.WriteFile(r.configFile(), []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// mergeConfig adds lines of the form "table.key = value" to the tables of base, in place of the same key.
func mergeConfig(base, lines string) string {
	for line := range strings.Lines(lines) {
		table, setting, ok := strings.Cut(strings.TrimSpace(line), ".")
		if !ok {
			continue
		}
		key, _, _ := strings.Cut(setting, " ")
		base = regexp.MustCompile(`(?m)^`+key+` = .*\n`).ReplaceAllString(base, "")
		if head := "[" + table + "]\n"; strings.Contains(base, head) {
			base = strings.Replace(base, head, head+setting+"\n", 1)
		} else {
			base += head + setting + "\n"
		}
	}
	return base
}

// start begins a new life of the relay.
func (r *crashRelay) start() {
	r.t.Helper()
	r.writeConfig()
	p := &crashProcess{ready: make(chan struct{}), ending: make(chan struct{}), exited: make(chan struct{}), begun: time.Now(), times: map[string]int{}}
	p.cmd = exec.Command(crashBinary(), "serve", "--config", r.configFile())
	logs, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.crashProcess = p
	go func() {
		defer close(p.exited)
		p.follow(logs)
		_ = p.cmd.Wait() // ProcessState tells
	}()
}

// crashBinary is this test's own program, which TestMain has put into the path, or a real one.
func crashBinary() string {
	if path := os.Getenv("POSTHASTE_CRASH_BINARY"); path != "" {
		return path
	}
	return "posthaste"
}

// follow reads the relay's own log to its end.
func (p *crashProcess) follow(logs io.Reader) {
	lines := bufio.NewScanner(logs)
	lines.Buffer(nil, 1<<20) // some errors come with stacks
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line.Msg = lines.Text() // a panic is not JSON
		}
		p.mu.Lock()
		p.times[line.Msg]++
		p.log = append(p.log, lines.Text())
		if len(p.log) > 400 {
			p.log = p.log[200:]
		}
		p.mu.Unlock()
		switch line.Msg {
		case "listening":
			p.addr = line.Address
			close(p.ready)
		case "ending":
			close(p.ending)
		}
	}
}

// count tells how many of its log's messages hold the words.
func (p *crashProcess) count(words string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for msg, times := range p.times {
		if strings.Contains(msg, words) {
			n += times
		}
	}
	return n
}

func (p *crashProcess) kill() { _ = p.cmd.Process.Kill() } // it may have been killed before

func (p *crashProcess) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// awaitReady waits until the relay takes mail.
func (r *crashRelay) awaitReady() {
	r.t.Helper()
	select {
	case <-r.ready:
	case <-r.exited:
		r.t.Fatal("the relay ended by itself")
	case <-time.After(time.Minute):
		r.t.Fatal("the relay does not start")
	}
}

// awaitExit waits for the end of the process and returns its exit code; -1 is a signal.
func (r *crashRelay) awaitExit() int {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(time.Minute):
		r.t.Fatal("the relay does not end")
	}
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "a key was set twice", "damaged"} {
		if r.count(bad) > 0 {
			r.t.Errorf("the relay said %q", bad)
		}
	}
	return r.cmd.ProcessState.ExitCode()
}

// audit runs the command `posthaste audit` against the running relay.
func (r *crashRelay) audit() (a admin.Audit) {
	r.t.Helper()
	out, err := exec.Command(crashBinary(), "audit", "--json", "--config", r.configFile()).Output()
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	if err != nil {
		r.t.Errorf("posthaste audit: %v\n%s", err, out)
	}
	return a
}

// reckon has the ledger judge what the relay, which has ended, has left behind.
func (r *crashRelay) reckon(how string) *remains {
	r.t.Helper()
	r.world.quiet(r.t)
	left := r.remains()
	r.world.ledger.stopped(how, left)
	return left
}

// remains is what a stopped relay has left on disk. Recipients of letters go by address, bounces by queue id.
type remains struct {
	queued   map[string]bool
	bounceTo map[string]string // the recipient of a queued bounce
	ends     map[string]int    // end events
	badLines int               // of the event log
	badLine  string
}

func (m *remains) hasBounceTo(address string) bool {
	for _, to := range m.bounceTo {
		if to == address {
			return true
		}
	}
	return false
}

// remains reads copies of the queue and of the event log, so that recovery is left to the next life.
func (r *crashRelay) remains() *remains {
	r.t.Helper()
	m := &remains{queued: map[string]bool{}, bounceTo: map[string]string{}, ends: map[string]int{}}
	scratch, err := os.MkdirTemp(r.dir, "copy")
	if err != nil {
		r.t.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	events := r.copyEvents(scratch)
	copied := filepath.Join(scratch, "queue")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(r.dir, "data", "queue"))); err == nil {
		r.readQueue(m, copied, events)
	} else if !errors.Is(err, fs.ErrNotExist) { // killed before it made one
		r.t.Fatal(err)
	}
	r.readEvents(m, events)
	return m
}

// copyEvents copies the event log with its rotated files and returns the copy's path.
func (r *crashRelay) copyEvents(dir string) string {
	r.t.Helper()
	files, err := filepath.Glob(r.events + "*")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(r.events))
}

// tellLeft completes the event log as the next life would.
func (r *crashRelay) tellLeft(q *queue.Queue, events string) {
	r.t.Helper()
	l, err := relay.OpenEventLog(relay.EventLogOptions{Path: events})
	if err == nil {
		err = relay.TellLeft(context.Background(), q, l, zap.NewNop())
		err = errors.Join(err, l.Close())
	}
	if err != nil {
		r.t.Fatalf("the event log that a crash has left: %v", err)
	}
}

// readQueue reads the queue in dir, and completes the event log from it.
func (r *crashRelay) readQueue(m *remains, dir, events string) {
	r.t.Helper()
	q, err := queue.Open(queue.Options{Dir: dir, Memory: 16 << 20, MinFreeDisk: -1})
	if err != nil {
		r.t.Fatalf("the queue that a crash has left: %v", err)
	}
	defer q.Close()
	r.tellLeft(q, events)
	for e, err := range q.List(context.Background(), queue.Filter{}, 0) {
		switch {
		case err != nil:
			r.t.Errorf("the queue that a crash has left: %v", err)
		case e.Sender == "":
			m.queued[e.ID.String()] = true
			m.bounceTo[e.ID.String()] = e.Recipient.Address
		default:
			m.queued[e.Recipient.Address] = true
		}
	}
	a, err := q.Audit(context.Background())
	if err != nil || a.Unaccounted() != 0 || a.Queued != a.Expected || a.Damaged != 0 || int(a.Queued) != len(m.queued) {
		r.t.Errorf("the queue does not add up: %+v, %d listed, %v", a, len(m.queued), err)
	}
}

func (r *crashRelay) readEvents(m *remains, events string) {
	r.t.Helper()
	files, err := filepath.Glob(events + "*")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range bytes.Lines(content) {
			var e struct{ Type, ID, Recipient string }
			if json.Unmarshal(line, &e) != nil || !bytes.HasSuffix(line, []byte("\n")) {
				m.badLines++
				m.badLine = string(line)
				continue
			}
			switch e.Type {
			case "delivered", "bounced", "expired", "dropped":
				name := e.Recipient
				if strings.HasSuffix(name, "@sender.test") {
					name = e.ID
				}
				m.ends[name]++
			}
		}
	}
}

// tearLog leaves the event log as a crash in the middle of a write would.
func (r *crashRelay) tearLog() {
	r.t.Helper()
	f, err := os.OpenFile(r.events, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		_, err = f.WriteString(`{"type":"delivered","id":"0`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// drain runs the relay until all accepted mail has arrived and its queue is empty, then ends it.
func (r *crashRelay) drain() {
	r.t.Helper()
	r.world.open.Store(true)
	eventually(r.t, "all mail arrives", func() bool {
		return r.world.ledger.allArrived() || r.world.ledger.hasProblems() // then something may never arrive
	})
	var a admin.Audit
	daemon := admin.NewClient(filepath.Join(r.dir, "ctl.sock"))
	defer daemon.Close()
	eventually(r.t, "the queue becomes empty", func() bool {
		var err error
		a, err = daemon.Audit(context.Background())
		return err != nil || a.Queued == 0
	})
	if a.Missing != 0 {
		r.t.Errorf("the queue is empty but does not add up: %+v", a)
	}
	r.signal(syscall.SIGTERM)
	if code := r.awaitExit(); code != exitOK {
		r.t.Errorf("exit code %d", code)
	}
	r.world.ledger.finished(r.reckon("at the end"))
}
