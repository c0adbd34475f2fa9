package relay

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/policy/dmarc"
)

// Signing is with which keys mail of our own is signed (RFC 6376).
//
// Our own is what comes from a client that may send to any domain, and what we write ourselves. What a stranger
// brings for a domain that we take mail for is never signed, whatever listener it comes in by and whoever it says it is
// from: a signature says that the domain answers for the message.
type Signing struct {
	Signer *dkim.Signer
	// Require holds domains whose mail is refused when it cannot be signed. Mail from other domains then goes
	// unsigned, and the event log says so.
	Require policy.DomainSet
}

// signatures is what came of signing a content.
type signatures struct {
	fields []byte // to be put in front
	told   string // for Event.DKIM
}

// signatureRoom is what the signatures of a message usually need, in bytes: two, of an RSA and an Ed25519 key.
const signatureRoom = 2 << 10

// signRoom is how much longer the content gets that stamp makes.
func (m *incoming) signRoom() int {
	if m.relay.policy.Load().DKIM == nil {
		return 0
	}
	return signatureRoom
}

// sign signs the message, whose content must not change after it.
func (m *incoming) sign() error {
	p := m.relay.policy.Load()
	if p.DKIM == nil || m.intake.Unsigned || !m.ours() {
		return nil
	}
	got, err := m.relay.signatures(p.DKIM, m.content, m.envelope.ArrivedAt)
	if err != nil {
		return err
	}
	m.content = slices.Insert(m.content, 0, got.fields...)
	m.signed = got.told
	return nil
}

// ours tells whether the client may send to any domain, so that we answer for what it sends.
func (m *incoming) ours() bool {
	return m.envelope.Origin.AuthName != "" || m.relay.policy.Load().Access.Trusted(m.info.RemoteAddr.Addr())
}

// signReport signs a report of our own. It goes unsigned rather than not at all.
func (r *Relay) signReport(p *Policy, content []byte, now time.Time) (signed []byte, told string) {
	if p.DKIM == nil {
		return content, ""
	}
	got, err := r.signatures(&Signing{Signer: p.DKIM.Signer}, content, now)
	if err != nil {
		r.log.Error("a report goes unsigned", zap.Error(err))
		return content, "none: " + err.Error()
	}
	return slices.Concat(got.fields, content), got.told
}

// signatures signs content by its author's domain. An error is the reply to the client, but for a key that does not
// work, which is ours alone to know.
func (r *Relay) signatures(s *Signing, content []byte, now time.Time) (signatures, error) {
	authors, reason := dmarc.Authors(content)
	first := ""
	if reason == nil {
		first = authors[0]
	}
	r.signing <- struct{}{}
	signed, err := s.Signer.Sign(content, first, now)
	<-r.signing
	switch {
	case errors.Is(err, dkim.ErrFrom), errors.Is(err, dkim.ErrBadHeader):
		reason = err
	case err != nil:
		return signatures{}, err
	case len(signed.Keys) == 0 && reason == nil:
		reason = errors.New("no key for " + first)
	}
	for _, author := range authors {
		if s.Require.Has(author) && !covers(signed.Keys, author) {
			return signatures{}, mustSign(author, err)
		}
	}
	if len(signed.Keys) == 0 {
		r.metrics.unsigned.Add(1)
		return signatures{told: "none: " + strings.TrimPrefix(reason.Error(), "dkim: ")}, nil
	}
	r.metrics.signed.Add(1)
	return signatures{signed.Fields, tellKeys(signed.Keys)}, nil
}

// covers tells whether a key is of the author's domain or of one above it.
func covers(keys []*dkim.Key, author string) bool {
	return slices.ContainsFunc(keys, func(k *dkim.Key) bool {
		return k.Domain == author || strings.HasSuffix(author, "."+k.Domain)
	})
}

// mustSign is the reply to mail from a domain that sends none unsigned. malformed is what keeps the message from being
// signed; nil when it is the want of a key, which the operator can end.
func mustSign(author string, malformed error) error {
	text := "Mail from " + author + " has to be signed, and "
	if malformed != nil {
		return reply(550, 5, 6, 0, text+"cannot be: "+strings.TrimPrefix(malformed.Error(), "dkim: "))
	}
	return reply(451, 4, 7, 5, text+"there is no key for that now")
}

// tellKeys names the keys that signed, as the event log does.
func tellKeys(keys []*dkim.Key) string {
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("d=" + k.Domain + " s=" + k.Selector + " a=" + k.Private.Algorithm().String() + "-sha256")
	}
	return b.String()
}

// newSigning returns the slots in which signatures are made. One with an RSA key takes the processor for a millisecond
// or two; by libcrypto it takes a thread of the system besides. As many sessions as there are doing that at once
// would leave nothing to the deliveries, which is where room for the next message comes from. A slot is free soon, and
// so nobody waits with a deadline.
func newSigning() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }
