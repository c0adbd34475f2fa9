package queue

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
)

// Options says where and how a queue works. Only Dir is required.
type Options struct {
	// Dir is the folder of the store; it is made if it is not there.
	Dir string
	// FS is the file system; nil is the real one. Tests give one that crashes and fails.
	FS vfs.FS
	// Memory bounds what the queue keeps in memory, in bytes: the store's memtables and block cache,
	// the contents waiting for their first attempt and the heads of the schedule. 0 means 160 MiB;
	// less than 16 MiB is raised to that.
	Memory int64
	// MinFreeDisk is how many bytes of the disk stay free: Put returns ErrFull below it. 0 means
	// 256 MiB, negative means no such check.
	MinFreeDisk int64
	// MaxBytes and MaxMessages bound the queue: Put returns ErrFull above them. 0 means no bound.
	MaxBytes, MaxMessages int64
	// RecipientsPerGroup is the most recipients of one message at one domain that are scheduled,
	// leased and settled together; 0 means 100.
	RecipientsPerGroup int
	// Weights gives each class its share of a domain: how many groups it may send a turn. A zero
	// takes that class's default: normal 4, transactional 16, bulk 1.
	Weights [message.NumClasses]int
	// Now tells the time; nil means the wall clock with its jumps smoothed out (see Clock).
	Now func() time.Time
	// Logger gets what an operator must know; nil logs nothing.
	Logger *zap.Logger

	spareLog int64 // bytes of the spare log; 0 means as large as the memtable's on the real disk and none elsewhere, negative none
}
