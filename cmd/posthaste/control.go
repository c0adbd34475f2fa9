package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/relay"
)

// controlFlags is how a command finds the running daemon.
type controlFlags struct {
	Socket string `placeholder:"PATH" env:"POSTHASTE_SOCKET" help:"The daemon's control socket."`
	Config string `short:"c" placeholder:"FILE" help:"Configuration that tells the control socket (default ${config})."`
}

// client returns a client of the daemon; nothing is opened yet.
func (f *controlFlags) client() (*admin.Client, error) {
	path, err := f.socketPath()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(path), nil
}

// socketPath returns what the flags or the environment say; else what the configuration says; else
// the standard place, or that of `posthaste up` in the current folder if only that is there.
func (f *controlFlags) socketPath() (string, error) {
	if f.Socket != "" {
		return f.Socket, nil
	}
	file := f.Config
	if file == "" {
		file = defaultConfigFile
	}
	cfg, _, err := LoadConfig(file)
	switch {
	case err == nil:
		return cfg.Control.Socket, nil
	case f.Config != "":
		return "", configError(err)
	}
	standard := DefaultConfig().Control.Socket
	if !exists(standard) && exists(upSocket) {
		return upSocket, nil
	}
	return standard, nil
}

// upSocket is the control socket of `posthaste up` as seen from the folder that it was started in.
const upSocket = "data/ctl.sock"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ask runs do with a client of the daemon and gives its error an exit code.
func (f *controlFlags) ask(do func(context.Context, *admin.Client) error) error {
	c, err := f.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return controlError(do(context.Background(), c))
}

// controlError gives an error of the control API an exit code; nil and errors that have one stay.
func controlError(err error) error {
	var marked exitError
	var refused *admin.Problem
	switch {
	case err == nil, errors.As(err, &marked):
		return err
	case errors.Is(err, admin.ErrNotRunning):
		return withCode(exitTempFail, err)
	case errors.Is(err, fs.ErrPermission):
		return withCode(exitNoPerm, fmt.Errorf("you may not use the control socket: %w", err))
	case !errors.As(err, &refused):
		return withCode(exitSoftware, err)
	case refused.Status == http.StatusBadRequest:
		return withCode(exitUsage, err)
	case refused.Status >= http.StatusInternalServerError && refused.Status != http.StatusNotImplemented:
		return withCode(exitSoftware, err)
	default:
		return withCode(exitUnavailable, err)
	}
}

// messageID reads an id from the command line.
func messageID(s string) (message.ID, error) {
	id, err := message.ParseID(s)
	if err != nil {
		return 0, withCode(exitUsage, fmt.Errorf("%s is %s", printable(s), strings.TrimPrefix(err.Error(), "message: ")))
	}
	return id, nil
}

// printable makes others' words fit for a terminal: one line of bounded length, without control
// characters.
func printable(s string) string { return relay.Printable(s, 1024) }
