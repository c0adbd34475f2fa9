package smtp

import "github.com/posthaste-mta/posthaste/message"

// Extensions is what a peer offers in its reply to EHLO.
type Extensions struct {
	ESMTP         bool     // EHLO was understood; false after the fallback to HELO
	Pipelining    bool     // RFC 2920
	Chunking      bool     // RFC 3030
	EightBit      bool     // 8BITMIME, RFC 6152
	SMTPUTF8      bool     // RFC 6531
	DSN           bool     // RFC 3461
	StartTLS      bool     // RFC 3207
	RequireTLS    bool     // RFC 8689
	EnhancedCodes bool     // RFC 2034
	SizeOffered   bool     // SIZE, RFC 1870
	Size          int64    // the largest message taken, in bytes; 0 is no fixed limit
	Auth          []string // mechanisms in upper case, RFC 4954
	// Greeting is the reply that opened the connection. Name is what the peer called itself in
	// its reply to EHLO or HELO.
	Greeting message.Status
	Name     string
}
