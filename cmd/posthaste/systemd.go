package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// States for notify; see sd_notify(3).
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
	notifyWatchdog = "WATCHDOG=1"
)

// notify tells systemd of a change of state. It does nothing when the service was not started with
// Type=notify.
func notify(state ...string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// net.Dial takes a leading "@" for an abstract socket, as systemd writes it.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(state, "\n"))); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}

// notifyStatus is a state that systemctl status shows in words.
func notifyStatus(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// watchdogInterval tells how often systemd wants to hear notifyWatchdog: half of its limit. 0 means
// never.
func watchdogInterval() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}

// firstPassedFD is where systemd's sockets begin, behind standard error.
const firstPassedFD = 3

// passedListeners returns the sockets that systemd opened for us, by their FileDescriptorName; see
// sd_listen_fds(3). Several of one name are several addresses of one listener. Call it once: it
// takes the variables out of the environment, so that no child takes the sockets for its own.
func passedListeners() (map[string][]net.Listener, error) {
	defer func() {
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			os.Unsetenv(name)
		}
	}()
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not a number of sockets", os.Getenv("LISTEN_FDS"))
	}
	return listenersFrom(firstPassedFD, n, os.Getenv("LISTEN_FDNAMES"))
}

// listenersFrom takes over n descriptors; names are separated by colons.
func listenersFrom(first, n int, names string) (map[string][]net.Listener, error) {
	list := strings.Split(names, ":")
	out := map[string][]net.Listener{}
	var errs []error
	for i := range n {
		name := "unknown" // what systemd itself calls a socket without a name
		if i < len(list) && list[i] != "" {
			name = list[i]
		}
		syscall.CloseOnExec(first + i)
		f := os.NewFile(uintptr(first+i), name)
		l, err := net.FileListener(f) // works on a duplicate
		f.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %q from systemd: %w", name, err))
			continue
		}
		out[name] = append(out[name], l)
	}
	return out, errors.Join(errs...)
}
