package smtp

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

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

// parseExtensions reads the reply to EHLO. What it does not know or cannot read it leaves out:
// an extension not used does no harm.
func parseExtensions(r reply) Extensions {
	ext := Extensions{ESMTP: true}
	first := true
	for line := range r.lines() {
		if first {
			ext.Name = replyName(line)
			first = false
			continue
		}
		keyword, params, _ := bytes.Cut(line, []byte(" "))
		ext.add(strings.ToUpper(string(keyword)), string(params))
	}
	return ext
}

// parseHelo reads the reply to HELO, which offers nothing.
func parseHelo(r reply) Extensions {
	for line := range r.lines() {
		return Extensions{Name: replyName(line)}
	}
	return Extensions{}
}

func (ext *Extensions) add(keyword, params string) {
	switch keyword {
	case "PIPELINING":
		ext.Pipelining = true
	case "CHUNKING":
		ext.Chunking = true
	case "8BITMIME":
		ext.EightBit = true
	case "SMTPUTF8":
		ext.SMTPUTF8 = true
	case "DSN":
		ext.DSN = true
	case "STARTTLS":
		ext.StartTLS = true
	case "REQUIRETLS":
		ext.RequireTLS = true
	case "ENHANCEDSTATUSCODES":
		ext.EnhancedCodes = true
	case "SIZE":
		ext.SizeOffered = true
		ext.Size = parseSizeLimit(strings.TrimSpace(params))
	case "AUTH":
		ext.addAuth(params)
	default: // "AUTH=LOGIN" comes from servers older than RFC 4954
		if mech, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			ext.addAuth(mech + " " + params)
		}
	}
}

func (ext *Extensions) addAuth(params string) {
	for _, mech := range strings.Fields(strings.ToUpper(params)) {
		known := false
		for _, m := range ext.Auth {
			known = known || m == mech
		}
		if !known {
			ext.Auth = append(ext.Auth, mech)
		}
	}
}

// parseSizeLimit reads SIZE's parameter. A number that is none, or too large to matter, is no limit:
// the peer will say so itself if a message is too large for it.
func parseSizeLimit(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > math.MaxInt64 {
		return 0
	}
	return int64(n)
}

// replyName returns the first word of an EHLO reply's first line, made safe to show.
func replyName(line []byte) string {
	name, _, _ := bytes.Cut(line, []byte(" "))
	return message.CleanLine(string(name), 255)
}
