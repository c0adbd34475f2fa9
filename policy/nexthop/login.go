package nexthop

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Login is how to come to one host and port.
type Login struct {
	// User and Password are who we are there; without a User nobody logs in.
	User, Password string
	// ImplicitTLS begins with TLS (RFC 8314 3.3, usually port 465), before the greeting; else there is STARTTLS.
	ImplicitTLS bool
	// Insecure shows the password also to a server whose certificate does not name the host or is signed by nobody that
	// we know, or that has no TLS.
	Insecure bool
}

// The longest user and password, in bytes (RFC 4616 2).
const (
	maxUser     = 255
	maxPassword = 255
)

// Check tells what no server could be told.
func (l *Login) Check() error {
	switch {
	case l.User == "" && l.Password != "":
		return errors.New("a password without a user")
	case l.User != "" && l.Password == "":
		return errors.New("a user without a password")
	case len(l.User) > maxUser || len(l.Password) > maxPassword:
		return errors.New("a user or password of more than 255 bytes")
	case !isText(l.User) || !isText(l.Password):
		return errors.New("a user or password with control characters or what is not UTF-8")
	}
	return nil
}

func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Logins is how to come to the hosts that want something special. A nil one is empty. It is not changed once in use.
type Logins map[string]Login

// Key returns the key of a host, by its name or in brackets its address, and a port.
func Key(host string, port uint16) string {
	return net.JoinHostPort(strings.ToLower(host), strconv.Itoa(int(port)))
}

// At returns how to come to a host; ok is false if like to any other.
func (l Logins) At(host string, port uint16) (login Login, ok bool) {
	if len(l) == 0 {
		return Login{}, false
	}
	login, ok = l[Key(host, port)]
	return login, ok
}

// Mechanisms returns those that the server offers and we know, the one to try first in front: what keeps the password from the
// server before what shows it. offered is in upper case.
func (l *Login) Mechanisms(offered []string) []Mechanism {
	var out []Mechanism
	for _, known := range []func(*Login) Mechanism{newSCRAM, newPlain, newTyped} {
		if m := known(l); slices.Contains(offered, m.Name()) {
			out = append(out, m)
		}
	}
	return out
}
