package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// The times that outcomes are remembered, and how many. A good one spares a busy program the
// argon2 at each connection; a bad one spares us that of a program which comes again and again with
// a secret that is not good any more.
const (
	goodFor   = 10 * time.Minute
	badFor    = time.Minute
	maxCached = 8192 // of each kind, so that bad ones cannot push out good ones
)

// tag stands for a name, a secret and the state of the credential. It is keyed with a random key of
// the process, so that memory holds nothing that tells of the secret elsewhere; and since the state is in it,
// whatever changes a credential makes its tags worthless.
type tag [16]byte

type cache struct {
	key []byte
	now func() time.Time

	mu   sync.Mutex
	good map[tag]cached
	bad  map[tag]cached
}

type cached struct {
	secret  secretID
	expires time.Time
}

func newCache(now func() time.Time) *cache {
	return &cache{key: randomBytes(keySize), now: now, good: make(map[tag]cached), bad: make(map[tag]cached)}
}

// tag returns the tag; gen is 0 for a name that is not there.
func (c *cache) tag(gen uint64, name, secret string) (t tag) {
	mac := hmac.New(sha256.New, c.key)
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], gen)
	binary.BigEndian.PutUint64(n[8:], uint64(len(name)))
	mac.Write(n[:])
	mac.Write([]byte(name))
	mac.Write([]byte(secret))
	copy(t[:], mac.Sum(nil))
	return t
}

// get returns what is remembered; known is false for nothing.
func (c *cache) get(t tag) (secret secretID, good, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if v, ok := c.good[t]; ok && now.Before(v.expires) {
		return v.secret, true, true
	}
	v, ok := c.bad[t]
	return secretID{}, false, ok && now.Before(v.expires)
}

func (c *cache) putGood(t tag, secret secretID) {
	c.put(c.good, t, cached{secret, c.now().Add(goodFor)})
}
func (c *cache) putBad(t tag) { c.put(c.bad, t, cached{expires: c.now().Add(badFor)}) }

func (c *cache) put(m map[tag]cached, t tag, v cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := m[t]; !ok && len(m) >= maxCached {
		evict(m, func(v cached) int64 { return v.expires.UnixNano() })
	}
	m[t] = v
}

// evictSample is how many entries an eviction looks at.
const evictSample = 16

// evict removes one entry: of a few taken as the map gives them, which is at random, the one of least worth.
func evict[K comparable, V any](m map[K]V, worth func(V) int64) {
	var victim K
	least, n := int64(0), 0
	for k, v := range m {
		if w := worth(v); n == 0 || w < least {
			victim, least = k, w
		}
		if n++; n == evictSample {
			break
		}
	}
	delete(m, victim)
}
