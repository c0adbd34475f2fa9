package pop3

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// inbox is a folder in memory that fails when it is told to.
type inbox struct {
	mu                              sync.Mutex
	content                         map[uint32][]byte
	last                            uint32
	locked                          bool
	opened                          int // and not closed
	failOpen, failRead, failExpunge error
	panicRead                       bool
	expunges                        int // calls
}

func newInbox(messages ...string) *inbox {
	b := &inbox{content: map[uint32][]byte{}}
	for _, m := range messages {
		b.deliver(m)
	}
	return b
}

func (b *inbox) deliver(m string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	b.content[b.last] = []byte(m)
}

// open is the openMaildrop of a server with this one mailbox.
func (b *inbox) open(_ context.Context, account string) (*maildrop, error) {
	b.mu.Lock()
	switch {
	case account != "ann@a.test":
		b.mu.Unlock()
		return nil, mailbox.ErrNoAccount
	case b.locked:
		b.mu.Unlock()
		return nil, mailbox.ErrInUse
	case b.failOpen != nil:
		b.mu.Unlock()
		return nil, b.failOpen
	}
	b.locked = true
	b.opened++
	b.mu.Unlock()
	return newMaildrop(b, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.locked = false
	}), nil
}

func (b *inbox) Info() mailbox.Info { return mailbox.Info{Validity: 77} }

func (b *inbox) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened--
}

func (b *inbox) UIDs() (uids []uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for uid := range b.content {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids
}

func (b *inbox) Get(uid uint32) (mailbox.Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.content[uid]
	return mailbox.Message{UID: uid, Size: int64(len(m))}, ok
}

func (b *inbox) Part(_ context.Context, uid uint32, offset, length int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.content[uid]
	switch {
	case b.panicRead:
		panic("of the store")
	case b.failRead != nil:
		return nil, b.failRead
	case !ok:
		return nil, mailbox.ErrNoMessage
	}
	return bytes.Clone(m[min(offset, int64(len(m))):min(offset+length, int64(len(m)))]), nil
}

func (b *inbox) HeaderSize(uid uint32) (int64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.content[uid]
	if end := bytes.Index(m, []byte("\r\n\r\n")); end >= 0 {
		m = m[:end+4]
	}
	return int64(len(m)), ok
}

func (b *inbox) Expunge(_ context.Context, uids []uint32) (gone []uint32, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expunges++
	if b.failExpunge != nil {
		return nil, b.failExpunge
	}
	for _, uid := range uids {
		if _, ok := b.content[uid]; ok {
			delete(b.content, uid)
			gone = append(gone, uid)
		}
	}
	return gone, nil
}

// free tells whether nobody has the mailbox open or locked.
func (b *inbox) free() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.locked && b.opened == 0
}

// logins know ann and bob with the secret "open sesame", and carl, who has no mailbox.
type logins struct {
	inClear, inTLS []string
	disabled       atomic.Bool
}

func newLogins() *logins {
	return &logins{inClear: []string{"X-STEPS", "PLAIN", "LOGIN"}, inTLS: []string{"X-STEPS", "PLAIN", "LOGIN"}}
}

func (l *logins) Mechanisms(state *tls.ConnectionState) []string {
	if state == nil {
		return l.inClear
	}
	return l.inTLS
}

var errDisabled = errors.New("disabled")

type owner struct {
	logins  *logins
	account string
}

func (o *owner) Account() string { return o.account }

func (o *owner) Check() error {
	if o.logins.disabled.Load() {
		return errDisabled
	}
	return nil
}

func (l *logins) Password(_ context.Context, client mailbox.Client, name, secret string) (mailbox.Owner, error) {
	name = strings.ToLower(name)
	switch {
	case name == "busy":
		return nil, &mailbox.LoginError{Temporary: true, Text: "Too many logins at once"}
	case name == "banned":
		return nil, &mailbox.LoginError{Banned: true, Text: "Too many failed\r\nlogins"}
	case name == "broken":
		return nil, errors.New("disk on fire")
	case (name == "ann" || name == "carl" || name == "jörg") && secret == "open sesame":
		if name == "jörg" {
			name = "ann"
		}
		return &owner{l, name + "@a.test"}, nil
	}
	return nil, &mailbox.LoginError{Text: "Authentication failed"}
}

func (l *logins) Begin(ctx context.Context, mechanism string, client mailbox.Client) (mailbox.Exchange, error) {
	return &exchange{ctx: ctx, logins: l, client: client, mechanism: mechanism}, nil
}

// exchange is PLAIN and LOGIN, and X-STEPS: a challenge that is empty and then one that ends it, like SCRAM's.
type exchange struct {
	ctx       context.Context
	logins    *logins
	client    mailbox.Client
	mechanism string
	said      []string
	owner     mailbox.Owner
}

func (x *exchange) Owner() mailbox.Owner { return x.owner }

func (x *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	malformed := &mailbox.LoginError{Malformed: true, Text: "Malformed response"}
	if response != nil {
		x.said = append(x.said, string(response))
	}
	steps := len(x.said)
	switch {
	case x.mechanism == "PLAIN" && steps == 1:
		part := strings.Split(x.said[0], "\x00")
		if len(part) != 3 {
			return nil, false, malformed
		}
		x.owner, err = x.logins.Password(x.ctx, x.client, part[1], part[2])
	case x.mechanism == "LOGIN" && steps < 2:
		return []byte([]string{"Username:", "Password:"}[steps]), false, nil
	case x.mechanism == "LOGIN":
		x.owner, err = x.logins.Password(x.ctx, x.client, x.said[0], x.said[1])
	case steps == 0:
		return nil, false, nil
	case x.mechanism == "X-STEPS" && steps == 1 && x.said[0] == "for ever":
		x.said = nil
		return []byte("on"), false, nil
	case x.mechanism == "X-STEPS" && steps == 1 && x.said[0] == "ann at once":
		x.owner = &owner{x.logins, "ann@a.test"}
		return []byte("proof"), true, nil
	case x.mechanism == "X-STEPS" && steps == 1:
		return []byte("proof"), false, nil
	case x.mechanism == "X-STEPS" && x.said[1] == "":
		x.owner = &owner{x.logins, x.said[0] + "@a.test"}
	default:
		return nil, false, malformed
	}
	return nil, err == nil, err
}

// testConfig is what most tests begin with.
func testConfig() Config {
	return Config{Hostname: "mail.a.test", Logins: newLogins()}
}

// testTLS returns a configuration with a fresh certificate for mail.a.test.
func testTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"mail.a.test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// anyCertificate is the configuration of a client that does not look.
func anyCertificate() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
