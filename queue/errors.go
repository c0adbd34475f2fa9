package queue

import (
	"errors"
	"fmt"
)

var (
	// ErrFull tells that the queue takes no new mail for now (RFC 5321 4.2.3: reply 452). What is
	// queued goes on being delivered. Errors of this kind are a *FullError.
	ErrFull = errors.New("queue: full")
	// ErrFailed tells that the store can no longer promise anything: a write or a sync failed.
	// Nothing is acknowledged after it; the process should end in order (reply 451 or 421).
	ErrFailed = errors.New("queue: the store has failed")
	// ErrDamaged tells that a record of this message does not match its checksum. The message has
	// been put aside and the others go on.
	ErrDamaged = errors.New("queue: damaged record")
	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("queue: closed")
)

// FullError says which limit keeps new mail out.
type FullError struct {
	// What names the limit: "disk", "bytes" or "messages".
	What string
	// Have and Limit are in bytes, or messages for "messages". For "disk", Have is what is free
	// and Limit what is kept in reserve.
	Have, Limit int64
}

// Error tells the limit and how far it is passed.
func (e *FullError) Error() string {
	if e.What == "disk" {
		return fmt.Sprintf("queue: full: %d bytes free on disk, %d kept in reserve", e.Have, e.Limit)
	}
	return fmt.Sprintf("queue: full: %d %s, the limit is %d", e.Have, e.What, e.Limit)
}

// Is makes errors.Is(err, ErrFull) true.
func (e *FullError) Is(target error) bool { return target == ErrFull }
