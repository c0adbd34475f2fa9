package store

import "errors"

var (
	// ErrNotFound tells that there is no such key.
	ErrNotFound = errors.New("policy store: not found")
	// ErrLocked tells that another process has the store open, most likely the daemon: ask that one.
	ErrLocked = errors.New("policy store: in use by another process")
	// ErrFailed tells that a write or a sync failed. The store promises nothing any more and
	// acknowledges nothing; the process should end in order.
	ErrFailed = errors.New("policy store: failed")
	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("policy store: closed")
)
