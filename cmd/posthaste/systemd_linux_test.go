package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify.sock")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := notify(notifyReady, notifyStatus("two\nlines, %d", 1)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 200)
	n, err := systemd.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(buf[:n]), "READY=1\nSTATUS=two lines, 1"; got != want {
		t.Errorf("systemd heard %q, want %q", got, want)
	}
}

// Outside systemd all of it does nothing.
func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	if err := notify(notifyReady); err != nil {
		t.Error(err)
	}
	if d := watchdogInterval(); d != 0 {
		t.Errorf("watchdog every %v", d)
	}
	if l, err := passedListeners(); len(l) != 0 || err != nil {
		t.Errorf("sockets meant for another process: %v, %v", l, err)
	}
}

func TestWatchdogInterval(t *testing.T) {
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("WATCHDOG_USEC", "30000000")
	if d := watchdogInterval(); d != 15*time.Second {
		t.Errorf("watchdog every %v, want 15s", d)
	}
}

// Sockets are found by name, several under one, and what is no socket is an error.
func TestListenersFromDescriptors(t *testing.T) {
	var files []*os.File
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		files = append(files, f)
	}
	notSocket, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, notSocket)

	// The descriptors must stand in a row, as systemd leaves them.
	first := 200
	for i, f := range files {
		if err := syscall.Dup3(int(f.Fd()), first+i, 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	got, err := listenersFrom(first, 3, "mx:mx:")
	if err == nil {
		t.Error("a descriptor that is no socket was taken")
	}
	if len(got["mx"]) != 2 {
		t.Fatalf("got %v, want two sockets named mx", got)
	}
	for _, l := range got["mx"] {
		l.Close()
	}
}
