//go:build interop

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The interop tests run the real daemon between other people's programs. Each test tells what it
// needs; where that is missing the test is skipped, or fails when POSTHASTE_INTEROP_REQUIRE=1.

// patience is how long anything may take that is expected to happen; only a failing test waits so long.
const patience = 30 * time.Second

// lacking ends the test because something is not on this machine.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("POSTHASTE_INTEROP_REQUIRE") == "1" {
		t.Fatalf("%s (make deps-interop installs what the tests need)", what)
	}
	t.Skipf("%s (make deps-interop installs what the tests need)", what)
}

// program returns the path of a program that the test cannot do without.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/usr/local/bin", "/bin", "/sbin"} {
		if path := filepath.Join(dir, name); isFile(path) {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, name+" is not installed")
	}
	return path
}

// unpackedProgram returns a program of a package that is unpacked rather than installed, because
// its package conflicts with Postfix's.
func unpackedProgram(t *testing.T, pkg, path, user string) string {
	t.Helper()
	needRoot(t)
	users, err := os.ReadFile("/etc/passwd")
	if err != nil || !bytes.Contains(append([]byte("\n"), users...), []byte("\n"+user+":")) {
		lacking(t, "there is no user "+user)
	}
	peers := os.Getenv("POSTHASTE_PEERS")
	if peers == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		peers = filepath.Join(cache, "posthaste-peers")
	}
	for _, p := range []string{filepath.Join(peers, pkg, path), path} {
		if isFile(p) {
			return p
		}
	}
	lacking(t, pkg+" is neither unpacked nor installed")
	return ""
}

// needRoot ends the test for lack of root: the big mail servers change to users of their own.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "only root can start this server")
	}
}

// python ends the test unless Python has the module, and returns the interpreter that has: Debian's modules are
// seen by Debian's Python alone.
func python(t *testing.T, module string) string {
	t.Helper()
	path := program(t, "python3")
	if out, err := exec.Command(path, "-c", "import "+module).CombinedOutput(); err != nil {
		lacking(t, fmt.Sprintf("%s has no module %s: %s", path, module, out))
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// child is a server that runs for the length of a test.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	said  bytes.Buffer
}

// Write takes what the server prints.
func (c *child) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(b)
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// spawn starts a server and ends it with the test. A failed test shows the last of what it said.
func spawn(t *testing.T, name string, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.WaitDelay = 5 * time.Second
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.cmd.Wait() // stop tells how it ended
	}()
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), tail(c.output()))
		}
	})
	return c
}

// stop ends the server, by force if it takes its time, and returns its exit code.
func (c *child) stop() int {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-c.ended:
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	return c.cmd.ProcessState.ExitCode()
}

// execute runs a program to its end with input on its standard input and returns what it printed, on both
// outputs, and its exit code.
func execute(t *testing.T, input, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = patience
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// mustExecute is execute for a program that has to succeed.
func mustExecute(t *testing.T, input, name string, args ...string) string {
	t.Helper()
	out, code := execute(t, input, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s", filepath.Base(name), strings.Join(args, " "), code, tail(out))
	}
	return out
}

// tail returns the end of a long text.
func tail(s string) string {
	const most = 3000
	if len(s) > most {
		s = "[...]" + s[len(s)-most:]
	}
	return s
}

// await polls until done tells that it is; otherwise the test fails with the last word of done.
func await(t *testing.T, what string, done func() (ok bool, state string)) {
	t.Helper()
	var state string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var ok bool
		if ok, state = done(); ok {
			return
		}
	}
	t.Fatalf("%s: not within %v: %s", what, patience, tail(state))
}

// awaitAddress waits for a server to take connections; said returns what it has printed.
func awaitAddress(t *testing.T, address string, said func() string) {
	t.Helper()
	await(t, "a server on "+address, func() (bool, string) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false, err.Error() + "\n" + said()
		}
		conn.Close()
		return true, ""
	})
}

// freePort returns a port that nothing listens on, below those that the system gives to outgoing
// connections, so that none of these takes it before the server does.
func freePort(t *testing.T) int {
	t.Helper()
	for range 200 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// shortDir makes a folder with a short name, which the path of a unix socket wants, that every user may enter.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// putFile writes a file that every user may read.
func putFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
