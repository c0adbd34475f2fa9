package auth

import (
	"bytes"
	"context"
	"unicode/utf8"

	"github.com/emersion/go-sasl"
)

// maxResponse bounds one response of a client, decoded. The longest that is right is a SCRAM-PLUS
// final message, below 1 KiB.
const maxResponse = 2048

// Exchange is one AUTH command under way, for one goroutine. It is a sasl.Server; the errors of Next
// are values of message.Status, and after one the exchange is over.
type Exchange struct {
	auth      *Authenticator
	ctx       context.Context
	client    Client
	mechanism string
	// step takes the next response; nil when the exchange is over.
	step func(response []byte) (challenge []byte, done bool, err error)

	name  string // that the client claims
	scram scramExchange
	live  *Live
}

var _ sasl.Server = (*Exchange)(nil)

// Next implements sasl.Server. It may take as long as the delay after a failure.
func (x *Exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.step == nil {
		return nil, false, ErrMalformed
	}
	if len(response) > maxResponse {
		x.step = nil
		return nil, false, ErrMalformed
	}
	challenge, done, err = x.step(response)
	if done || err != nil {
		x.step = nil
	}
	if err != nil {
		return nil, false, err
	}
	return challenge, done, nil
}

// Live returns the login; nil until Next has returned done.
func (x *Exchange) Live() *Live {
	if x.step != nil {
		return nil
	}
	return x.live
}

// Name returns the name that the client claimed, "" until it did. It is untrusted, and people at
// times type their secret there: not for logs that others read.
func (x *Exchange) Name() string { return x.name }

// plain is RFC 4616.
func (x *Exchange) plain(response []byte) ([]byte, bool, error) {
	if response == nil {
		x.step = x.plainMessage
		return []byte{}, false, nil
	}
	return x.plainMessage(response)
}

func (x *Exchange) plainMessage(response []byte) ([]byte, bool, error) {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 || !utf8.Valid(response) ||
		len(parts[0]) > maxName || len(parts[1]) > maxName || len(parts[2]) > maxSecret {
		return nil, false, ErrMalformed
	}
	x.name = string(parts[1])
	if !actsAsItself(string(parts[0]), x.name) {
		return nil, false, x.auth.fail(x.ctx, x.client.Addr, guardName(x.name), 0)
	}
	return x.password(string(parts[2]))
}

// actsAsItself tells whether the identity to act as is that of the name: there is no acting for others here.
func actsAsItself(identity, name string) bool {
	if identity == "" || identity == name {
		return true
	}
	x, ok1 := nameKey(identity)
	y, ok2 := nameKey(name)
	return ok1 && ok2 && x == y
}

// loginName and the next are LOGIN: name and secret each in a response of its own. The words of the
// challenges are those that clients compare.
func (x *Exchange) loginName(response []byte) ([]byte, bool, error) {
	if response == nil {
		x.step = x.loginNameMessage
		return []byte("Username:"), false, nil
	}
	return x.loginNameMessage(response)
}

func (x *Exchange) loginNameMessage(response []byte) ([]byte, bool, error) {
	if len(response) == 0 || len(response) > maxName || !isText(response) {
		return nil, false, ErrMalformed
	}
	x.name = string(response)
	x.step = x.loginSecret
	return []byte("Password:"), false, nil
}

func (x *Exchange) loginSecret(response []byte) ([]byte, bool, error) {
	if len(response) == 0 || len(response) > maxSecret || !isText(response) {
		return nil, false, ErrMalformed
	}
	return x.password(string(response))
}

func (x *Exchange) password(secret string) (_ []byte, done bool, err error) {
	x.live, err = x.auth.password(x.ctx, x.client.Addr, x.name, secret)
	return nil, err == nil, err
}

func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }
