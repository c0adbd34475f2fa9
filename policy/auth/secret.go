package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltSize = 16
	keySize  = 32
)

// cost is that of checking a secret. Each is kept with its own.
type cost struct {
	passes, kib uint32
	lanes       uint8
	iterations  int
}

// defaultCost is that of the secrets made from now on.
//
// 19 MiB and two passes, about 25 ms of a core: the least that guessing from a stolen store should
// cost, and little enough memory that several may run at once beside the mail.
//
// 20,000 iterations of SCRAM are some milliseconds of the client, which pays them at every login. RFC
// 7677 4 names 15,000 as what a tenth of a second bought in 2015, and 4,096 as the least. More would buy
// little: generated secrets need none, and many clients stall at some hundred thousand.
func defaultCost() cost { return cost{passes: 2, kib: 19 << 10, lanes: 1, iterations: 20_000} }

// Secret is what is kept of a secret: enough to check it, not to use it. It is immutable.
type Secret struct {
	id    secretID
	argon argonHash
	scram scramKeys // zero if the secret is for PLAIN and LOGIN only
}

// secretID tells one setting of a secret from another, also when the secret is the same.
type secretID [8]byte

type argonHash struct {
	passes, kib uint32
	lanes       uint8
	salt, key   []byte
}

// scramKeys are those of RFC 5802 3 for SHA-256.
type scramKeys struct {
	iterations     int
	salt           []byte
	stored, server []byte
}

// makeSecret derives what is kept of a prepared secret. With like, it has the salts and costs of that
// one: while two secrets of a name are good, a login is then checked against both by one argon2, as
// costly as that of a name with one or none; and a SCRAM client, who is given one salt before it
// shows which secret it has, may have either.
func makeSecret(prepared string, c cost, like *Secret) (*Secret, error) {
	s := &Secret{
		argon: argonHash{passes: c.passes, kib: c.kib, lanes: c.lanes, salt: randomBytes(saltSize)},
		scram: scramKeys{iterations: c.iterations, salt: randomBytes(saltSize)},
	}
	if like != nil {
		s.argon, s.scram = like.argon, like.scram
	}
	copy(s.id[:], randomBytes(len(s.id)))
	s.argon.key = s.argon.derive(prepared)
	if s.scram.iterations > 0 {
		if err := s.scram.set(prepared); err != nil {
			return nil, fmt.Errorf("deriving the SCRAM keys: %w", err)
		}
	}
	return s, nil
}

// derive is the expensive step. It takes h.kib KiB of memory while it runs.
func (h *argonHash) derive(prepared string) []byte {
	return argon2.IDKey([]byte(prepared), h.salt, h.passes, h.kib, h.lanes, uint32(max(len(h.key), keySize)))
}

func (h *argonHash) matches(derived []byte) bool {
	return len(h.key) > 0 && subtle.ConstantTimeCompare(h.key, derived) == 1
}

// set derives StoredKey and ServerKey (RFC 5802 3).
func (k *scramKeys) set(prepared string) error {
	salted, err := pbkdf2.Key(sha256.New, prepared, k.salt, k.iterations, sha256.Size)
	if err != nil {
		return err
	}
	client := hmacOf(salted, "Client Key")
	stored := sha256.Sum256(client)
	k.stored, k.server = stored[:], hmacOf(salted, "Server Key")
	return nil
}

func hmacOf(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the program ends instead
	return b
}

// GenerateSecret returns a new random secret of 130 bits: 26 letters and digits, which a
// double-click selects as one word, without 0 and 1 that look like letters.
func GenerateSecret() string { return strings.ToLower(rand.Text()) }
