package imap

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// Once a client has enabled UTF-8, names of folders are UTF-8 and an ampersand is one (RFC 6855 3, RFC 9051 5.1). The library
// then writes it as modified UTF-7 all the same, and reads that alone: "R&D" was shown as "R&-D" and could not be made.

// takesNames tells whether folders' names are among a command's arguments.
func takesNames(command string) bool {
	switch strings.TrimPrefix(command, "UID ") {
	case "SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME", "SUBSCRIBE", "UNSUBSCRIBE", "STATUS", "LIST", "LSUB", "APPEND", "COPY", "MOVE":
		return true
	}
	return false
}

// shiftAmpersands writes the ampersands in arguments as the library wants them. What can be nothing but modified UTF-7
// stays: some clients go on writing it.
func shiftAmpersands(args string) string {
	if !strings.Contains(args, "&") {
		return args
	}
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(args, "&")
		b.WriteString(plain)
		if !found {
			return b.String()
		}
		b.WriteByte('&')
		if code, _, ended := strings.Cut(rest, "-"); !ended || !isShifted(code) {
			b.WriteByte('-')
		}
		args = rest
	}
}

// isShifted tells whether text may stand between & and - in modified UTF-7.
func isShifted(code string) bool {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(strings.ReplaceAll(code, ",", "/"))
	return err == nil && len(raw)%2 == 0 && !strings.Contains(code, "/")
}

// plainAmpersands undoes what the library does to the names in a response. Names are short enough to be quoted: no literal's
// length stands before them.
func plainAmpersands(line []byte) []byte {
	for _, kind := range []string{"* LIST (", "* LSUB (", "* STATUS "} {
		if bytes.HasPrefix(line, []byte(kind)) {
			return bytes.ReplaceAll(line, []byte("&-"), []byte("&"))
		}
	}
	return line
}
