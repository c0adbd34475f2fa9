package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ErrInUse is returned for a socket at which another daemon answers.
var ErrInUse = errors.New("another posthaste answers there")

// ListenControl makes the control socket at path with permissions 0600; closing the listener removes it.
// A socket that a crash left behind is replaced, one at which a daemon answers is not.
func ListenControl(path string) (net.Listener, error) {
	if err := checkStale(path); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	// The socket is made in a directory that nobody else can enter and moved to its place once
	// its permissions are right: between bind and chmod it would be open to all otherwise.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".ctl")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	l, err := listenAndMove(filepath.Join(dir, "s"), path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return l, nil
}

func listenAndMove(temporary, path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would unlink the temporary name
	var own os.FileInfo
	err = os.Chmod(temporary, 0o600)
	if err == nil {
		own, err = os.Lstat(temporary)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &controlListener{l, path, own}, nil
}

// checkStale returns nil if there is nothing at path that must stay.
func checkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is a file of another kind")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return ErrInUse
	}
	return nil
}

// controlListener removes its socket on Close, if it is still its own: a successor may have taken
// the name.
type controlListener struct {
	*net.UnixListener
	path string
	own  os.FileInfo
}

// Addr returns the path that clients dial.
func (l *controlListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the socket.
func (l *controlListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.own) {
		_ = os.Remove(l.path)
	}
	return l.UnixListener.Close()
}
