package main

import "errors"

// The exit codes are those of sysexits.h, which scripts and mail programs know.
const (
	exitOK          = 0
	exitNo          = 1  // the answer is no: an audit that does not add up, a damaged backup
	exitUsage       = 64 // EX_USAGE: the command line is wrong
	exitDataErr     = 65 // EX_DATAERR: the message or an address is malformed
	exitNoUser      = 67 // EX_NOUSER: a recipient does not exist
	exitUnavailable = 69 // EX_UNAVAILABLE: refused for good
	exitSoftware    = 70 // EX_SOFTWARE: a fault that none of the others names
	exitIOErr       = 74 // EX_IOERR
	exitTempFail    = 75 // EX_TEMPFAIL: not now; the daemon is down or busy
	exitNoPerm      = 77 // EX_NOPERM: you may not
	exitConfig      = 78 // EX_CONFIG: the configuration is wrong
)

// exitError is an error that says what the process exits with.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// withCode marks err; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return exitError{code, err}
}

// codeOf returns what to exit with for err.
func codeOf(err error) int {
	var e exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	default:
		return exitSoftware
	}
}
