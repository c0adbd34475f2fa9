package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Subject is a relay to measure.
type Subject interface {
	// Name is what reports call it, such as "postfix".
	Name() string
	// Available returns nil, or an error that says what is missing and how to get it.
	Available() error
	// Start brings it up with an empty queue, or the one left in set.Dir by an earlier start, and returns when it
	// accepts connections.
	Start(ctx context.Context, set Setting) (*Running, error)
}

// preparer is a relay that can be told what its policy knows. Others have no part in scenarios with an inlet.
type preparer interface {
	// Prepare fills what the relay shall know when it starts.
	Prepare(ctx context.Context, set Setting, l Load, bars newBar) error
}

// Setting is what a relay under test is told. All relays are to be durable and tuned for volume.
type Setting struct {
	// Dir holds configuration, queue and log. It is the relay's alone and survives restarts.
	Dir string
	// Port is where the relay listens on 127.0.0.1.
	Port int
	// DNS and DeliveryPort lead to the world by MX.
	DNS          string
	DeliveryPort int
	// NextHop takes all mail instead, as host:port; "" goes by MX.
	NextHop string
	// Table says the same as the DNS for relays that cannot be given a DNS server: domain to
	// host:port.
	Table map[string]string
	// Connections is how many may be open to one site.
	Connections int
	// Retry is the wait between two attempts.
	Retry time.Duration
	// NoChunking keeps the relay from using BDAT.
	NoChunking bool
	// Inlet is where the load comes in.
	Inlet Inlet
	// IMAPPort is where mailboxes are read on 127.0.0.1, if there are any.
	IMAPPort int
	// Signing are the keys to sign with; none: nothing is signed.
	Signing []SigningKey
}

// Running is a relay that was started.
type Running struct {
	Addr  string
	Group *Group // nil when the relay runs elsewhere and cannot be measured
	Stop  func() error
	// Pid gets signals; 0 if unknown.
	Pid int
}

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 60 * time.Second
)

// waitListening returns when addr takes connections; exited ends the wait early.
func waitListening(ctx context.Context, addr string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", addr, err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// daemon starts a program that stays in the foreground, with its output in set.Dir/log.
func daemon(ctx context.Context, set Setting, grace os.Signal, name string, args ...string) (*Running, error) {
	logFile, err := os.OpenFile(filepath.Join(set.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	g := NewGroup()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = logFile, logFile, set.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	g.Attach(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		g.Close()
		return nil, err
	}
	g.SetRoot(cmd.Process.Pid)
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	r := &Running{Addr: loopback(set.Port), Group: g, Pid: cmd.Process.Pid}
	r.Stop = func() error {
		_ = cmd.Process.Signal(grace)
		defer g.Close()
		select {
		case <-exited:
			return nil
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-exited
			return fmt.Errorf("%s did not end within %v and was killed", name, stopTimeout)
		}
	}
	if err := waitListening(ctx, r.Addr, exited); err != nil {
		_ = r.Stop()
		return nil, fmt.Errorf("%s: %w\n%s", name, err, tail(filepath.Join(set.Dir, "log"), 2000))
	}
	return r, nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// freePort finds a port that nothing listens on just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail is the end of a file, for error messages.
func tail(path string, n int) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-n):])
}
