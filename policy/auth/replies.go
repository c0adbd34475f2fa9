package auth

import (
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// What a client is told (RFC 4954 6). Compare with errors.Is.
var (
	// ErrFailed is the answer to every login that is not right, whatever was wrong with it.
	ErrFailed error = message.Status{Code: 535, Enhanced: message.EnhancedCode{5, 7, 8}, Text: "Authentication failed"}
	// ErrMalformed answers a response that is not of the mechanism's form. It was not a guess and does
	// not count as one.
	ErrMalformed error = message.Status{Code: 501, Enhanced: message.EnhancedCode{5, 5, 2}, Text: "Malformed authentication response"}
	// ErrMechanism answers a mechanism that is not offered on this connection.
	ErrMechanism error = message.Status{Code: 504, Enhanced: message.EnhancedCode{5, 5, 4}, Text: "Authentication mechanism unknown"}
	// ErrBusy answers a login when too many others wait to be checked.
	ErrBusy error = message.Status{Code: 454, Enhanced: message.EnhancedCode{4, 7, 0}, Text: "Too many logins at once, try again later"}
	// ErrGone ends a session whose credential has been disabled or removed or has got another secret.
	// It is temporary, so that the client keeps its mail; the login that it tries next says the rest.
	ErrGone error = message.Status{Code: 421, Enhanced: message.EnhancedCode{4, 7, 0}, Text: "This login is not valid any more, closing the connection"}
	// ErrRequired answers a command that needs a login first.
	ErrRequired error = message.Status{Code: 530, Enhanced: message.EnhancedCode{5, 7, 0}, Text: "Authentication required"}
)

// banned is the answer during a ban: 421 for an address, whose connection ends; 454 for a name.
func banned(code int, left time.Duration) error {
	minutes := int((left + time.Minute - 1) / time.Minute)
	return message.Status{Code: code, Enhanced: message.EnhancedCode{4, 7, 0},
		Text: fmt.Sprintf("Too many failed logins, try again in %d min", minutes)}
}

// maxNamed bounds how much of an address is said back.
const maxNamed = 254

func notAllowed(text, addr string) error {
	if addr != "" {
		text = "<" + message.CleanLine(addr, maxNamed) + "> " + text
	}
	return message.Status{Code: 553, Enhanced: message.EnhancedCode{5, 7, 1}, Text: text}
}
