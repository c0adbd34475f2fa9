package relay

import (
	"context"
	"crypto/tls"

	"github.com/posthaste-mta/posthaste/smtp"
)

// carrier takes a worker's messages to where they go, and tells what became of each: *smtp.Client over a connection to a
// host, *localCarrier into the mailboxes here. What is promised of each method is said at smtp.Client.
type carrier interface {
	Send(ctx context.Context, tx *smtp.Transaction, next func() *smtp.Transaction) smtp.Result
	Extensions() smtp.Extensions
	TLS() (state tls.ConnectionState, ok bool)
	CheckIdle() error
	Quit(ctx context.Context) error
	Close() error
}
