package nexthop

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/xdg-go/scram"
)

// Mechanism is the client's side of one SASL exchange; it is used once. The methods are those of smtp.Mechanism.
type Mechanism interface {
	Name() string
	Start() ([]byte, error)
	Next(challenge []byte) ([]byte, error)
	Finish() error
}

var errMoreAsked = errors.New("the server asks for more than the mechanism has")

// plain is RFC 4616.
type plain struct{ login *Login }

func newPlain(l *Login) Mechanism { return plain{l} }

func (plain) Name() string { return "PLAIN" }

func (p plain) Start() ([]byte, error) {
	return []byte("\x00" + p.login.User + "\x00" + p.login.Password), nil
}

func (plain) Next([]byte) ([]byte, error) { return nil, errMoreAsked }
func (plain) Finish() error               { return nil }

// typed is LOGIN (draft-murchison-sasl-login): what a person would type. The prompts are looked at by nobody, since
// servers do not agree on them: the first is about the user.
type typed struct {
	login *Login
	asked int
}

func newTyped(l *Login) Mechanism { return &typed{login: l} }

func (*typed) Name() string           { return "LOGIN" }
func (*typed) Start() ([]byte, error) { return nil, nil }
func (*typed) Finish() error          { return nil }

func (t *typed) Next([]byte) ([]byte, error) {
	switch t.asked++; t.asked {
	case 1:
		return []byte(t.login.User), nil
	case 2:
		return []byte(t.login.Password), nil
	}
	return nil, errMoreAsked
}

// maxIterations bounds the work that a server can ask of us for one login: a second or so. RFC 7677 has 4,096, OWASP
// advised 600,000 in 2023.
const maxIterations = 2_000_000

// proof is SCRAM-SHA-256 (RFC 7677), without channel binding: the certificate is what names the server.
type proof struct {
	login        *Login
	conversation *scram.ClientConversation
	nonce        func() string // of tests; nil: by chance
}

func newSCRAM(l *Login) Mechanism { return &proof{login: l} }

func (*proof) Name() string { return "SCRAM-SHA-256" }

func (p *proof) Start() ([]byte, error) {
	client, err := scram.SHA256.NewClient(p.login.User, p.login.Password, "")
	if err != nil {
		return nil, fmt.Errorf("user or password: %w", err) // SASLprep; the error names no character
	}
	if p.nonce != nil {
		client.WithNonceGenerator(p.nonce)
	}
	p.conversation = client.NewConversation()
	first, err := p.conversation.Step("")
	return []byte(first), err
}

func (p *proof) Next(challenge []byte) ([]byte, error) {
	for field := range bytes.SplitSeq(challenge, []byte{','}) {
		if n, ok := bytes.CutPrefix(field, []byte("i=")); ok {
			if i, err := strconv.Atoi(string(n)); err != nil || i > maxIterations {
				return nil, fmt.Errorf("the server wants %.20q iterations, and %d are the most", n, maxIterations)
			}
		}
	}
	response, err := p.conversation.Step(string(challenge))
	return []byte(response), err
}

// Finish tells whether the server has proved that it knows the password too (RFC 5802 5).
func (p *proof) Finish() error {
	if p.conversation == nil || !p.conversation.Valid() {
		return errors.New("the server has not proved that it knows the password")
	}
	return nil
}
