package auth

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// scramExchange is the state of a SCRAM login (RFC 5802, RFC 7677).
type scramExchange struct {
	counted string
	entry   *entry
	rec     *record // as it was when the salt was sent
	secrets [2]secretID
	// talks are two conversations with the same words, one for each secret that may be good. Where there
	// is none, it has keys that no proof fits.
	talks [2]*scram.ServerConversation
}

func (x *Exchange) scramFirst(response []byte) ([]byte, bool, error) {
	if response == nil {
		x.step = x.scramFirstMessage
		return []byte{}, false, nil
	}
	return x.scramFirstMessage(response)
}

func (x *Exchange) scramFirstMessage(response []byte) ([]byte, bool, error) {
	flag, _, _ := strings.Cut(string(response), ",")
	binding, ok := x.binding(flag)
	if !ok || !isText(response) || strings.Contains(string(response), ",r=,") || strings.HasSuffix(string(response), ",r=") {
		return nil, false, ErrMalformed
	}
	if flag == "y" && binding.IsSupported() {
		// The client could bind and thinks that we cannot: somebody took -PLUS off our list (RFC 5802 6).
		return nil, false, ErrFailed
	}
	nonce := rand.Text()
	if x.auth.scramNonce != nil {
		nonce = x.auth.scramNonce()
	}
	var refused error
	var challenge string
	for i := range x.scram.talks {
		server, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
			if i == 0 {
				refused = x.scramName(name)
			}
			return x.scramKeys(i), refused
		})
		if err != nil {
			return nil, false, ErrFailed
		}
		talk := newTalk(server.WithNonceGenerator(func() string { return nonce }), binding, x.mechanism)
		x.scram.talks[i] = talk
		if challenge, err = talk.Step(string(response)); refused != nil {
			return nil, false, refused
		} else if err != nil || x.name == "" {
			return nil, false, ErrMalformed
		}
	}
	talk := x.scram.talks[0]
	if !actsAsItself(talk.AuthzID(), talk.Username()) {
		return nil, false, x.auth.fail(x.ctx, x.client.Addr, x.scram.counted, 0)
	}
	x.step = x.scramFinalMessage
	return []byte(challenge), false, nil
}

// binding returns what the client's flag is to be held against; ok is false if the flag does not go
// with the mechanism.
func (x *Exchange) binding(flag string) (b scram.ChannelBinding, ok bool) {
	wanted, bound := strings.CutPrefix(flag, "p=")
	if bound != (x.mechanism == ScramSHA256Plus) {
		return b, false
	}
	if !slices.Contains(x.auth.mechanisms, ScramSHA256Plus) {
		return b, true
	}
	list := bindings(x.client.TLS)
	if !bound {
		if len(list) > 0 {
			b = list[0]
		}
		return b, true
	}
	i := slices.IndexFunc(list, func(b scram.ChannelBinding) bool { return string(b.Type) == wanted })
	if i < 0 {
		return b, false
	}
	return list[i], true
}

func newTalk(s *scram.Server, b scram.ChannelBinding, mechanism string) *scram.ServerConversation {
	if mechanism == ScramSHA256Plus {
		return s.NewConversationWithChannelBindingRequired(b)
	}
	return s.NewConversationWithChannelBinding(b)
}

// scramName finds who the client claims to be. The error is a ban's.
func (x *Exchange) scramName(name string) error {
	x.name, x.scram.counted = name, guardName(name)
	if key, ok := nameKey(name); ok {
		x.scram.entry, x.scram.rec = x.auth.book.find(key)
	}
	return x.admit()
}

func (x *Exchange) admit() error {
	err := x.auth.guard.Admit(x.client.Addr, x.scram.counted)
	if err != nil {
		x.auth.counts.banned.Add(1)
	}
	return err
}

// scramKeys returns the keys for a conversation. The salt of a name that is not there, or that has no
// keys, is always the same for that name.
func (x *Exchange) scramKeys(i int) scram.StoredCredentials {
	fake := func(what string) []byte { return hmacOf(x.auth.book.fake, what, x.scram.counted, x.name) }
	keys := scramKeys{
		iterations: x.auth.book.cost.iterations, salt: hmacOf(x.auth.book.fake, "salt", x.scram.counted)[:saltSize],
		stored: fake("stored"), server: fake("server"),
	}
	if r := x.scram.rec; r != nil && r.current.scram.iterations > 0 {
		keys.iterations, keys.salt = r.current.scram.iterations, r.current.scram.salt
		if s := [2]*Secret{r.current, r.previous}[i]; s != nil {
			keys, x.scram.secrets[i] = s.scram, s.id
		}
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(keys.salt), Iters: keys.iterations},
		StoredKey:  keys.stored, ServerKey: keys.server,
	}
}

func (x *Exchange) scramFinalMessage(response []byte) ([]byte, bool, error) {
	// Again: others may have failed since, and this is where a guess is answered.
	if err := x.admit(); err != nil {
		return nil, false, err
	}
	var proof string
	var id secretID
	for i, talk := range x.scram.talks { // both in any case, so that a second secret does not show
		if v, err := talk.Step(string(response)); err == nil && talk.Valid() {
			proof, id = v, x.scram.secrets[i]
		}
	}
	if e := x.scram.entry; proof == "" || e == nil || !e.rec.Load().good(id, x.auth.book.now()) {
		return nil, false, x.auth.fail(x.ctx, x.client.Addr, x.scram.counted, 0)
	}
	x.live = x.auth.succeed(x.scram.entry, id, x.client.Addr, x.scram.counted)
	x.step = x.scramEnd
	return []byte(proof), false, nil // SMTP has no place for it but a challenge (RFC 4954 4)
}

// scramEnd takes the client's consent: it has seen that we know its keys.
func (x *Exchange) scramEnd(response []byte) ([]byte, bool, error) {
	if len(response) > 0 {
		x.live = nil
		return nil, false, ErrMalformed
	}
	return nil, true, nil
}
