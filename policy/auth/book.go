package auth

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

var (
	// ErrNotFound tells that there is no credential of that name. For operators, never for clients.
	ErrNotFound = errors.New("no such credential")
	// ErrExists tells that the name is taken.
	ErrExists = errors.New("credential exists already")
	// ErrReadOnly tells that the credential is in the configuration and is changed there.
	ErrReadOnly = errors.New("credential is in the configuration, change it there")
)

// MaxCredentials bounds a Book, the read-only ones among them.
const MaxCredentials = 100_000

// Store is what a Book needs of policy/store.
type Store interface {
	Get(t store.Table, key []byte) ([]byte, error)
	Apply(ctx context.Context, durable bool, changes ...store.Change) error
	Scan(t store.Table, prefix []byte) iter.Seq2[store.Entry, error]
}

// Book knows all credentials. Safe for concurrent use; changes are durable when the call returns
// and take effect at once, also for open sessions.
type Book struct {
	store  Store // nil: none but those of the configuration
	now    func() time.Time
	hasher *hasher
	cost   cost // of new secrets, and of names that are not there
	// fake makes what a client is shown of names that are not there. It is kept in the store: with
	// another after each start, the names whose salt does not change would be the ones that exist.
	fake []byte
	// plainKey makes the marks by which a secret of the configuration is known again at a reload.
	plainKey []byte

	changing sync.Mutex // held over a change with its write; taken before mu
	gen      uint64

	mu      sync.RWMutex
	entries map[string]*entry
	marks   map[string]string // of read-only entries
}

// Keys of the table: a name's record is under "n" and its key.
const (
	recordPrefix = "n"
	fakeKey      = "fake salts"
	fakeVersion  = 1
)

// OpenBook reads all credentials. s may be nil, for a Book of read-only ones. now may be nil, for the real clock.
func OpenBook(ctx context.Context, s Store, now func() time.Time) (*Book, error) {
	if now == nil {
		now = time.Now
	}
	b := &Book{store: s, now: now, hasher: newHasher(), cost: defaultCost(), plainKey: randomBytes(keySize),
		entries: make(map[string]*entry), marks: make(map[string]string)}
	if s == nil {
		b.fake = randomBytes(keySize)
		return b, nil
	}
	if err := b.openFake(ctx); err != nil {
		return nil, err
	}
	for e, err := range s.Scan(store.Credentials, []byte(recordPrefix)) {
		if err != nil {
			return nil, fmt.Errorf("reading credentials: %w", err)
		}
		key := strings.TrimPrefix(string(e.Key), recordPrefix)
		r, err := decodeRecord(e.Value)
		if err != nil {
			return nil, fmt.Errorf("reading credential %q: %w", message.CleanLine(key, maxName), err)
		}
		b.publish(key, r)
	}
	return b, nil
}

func (b *Book) openFake(ctx context.Context) error {
	value, err := b.store.Get(store.Credentials, []byte(fakeKey))
	switch {
	case errors.Is(err, store.ErrNotFound):
		b.fake = randomBytes(keySize)
		value = append([]byte{fakeVersion}, b.fake...)
		return b.store.Apply(ctx, true, store.Change{Table: store.Credentials, Key: []byte(fakeKey), Value: value})
	case err != nil:
		return fmt.Errorf("reading credentials: %w", err)
	case len(value) != 1+keySize || value[0] != fakeVersion:
		return fmt.Errorf("reading credentials: record %q is not of a known form", fakeKey)
	}
	b.fake = value[1:]
	return nil
}

// publish makes a record the present one of its name. nil removes the name.
func (b *Book) publish(key string, r *record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[key]
	if r == nil {
		if e != nil {
			e.rec.Store(nil)
			delete(b.entries, key)
			delete(b.marks, key)
		}
		return
	}
	b.gen++
	r.gen = b.gen
	if e == nil {
		// A name that was removed and comes back gets a new entry: sessions of the old one stay closed.
		e = &entry{key: key}
		b.entries[key] = e
	}
	e.rec.Store(r)
}

// find returns the name's entry and present record, or nil.
func (b *Book) find(key string) (*entry, *record) {
	b.mu.RLock()
	e := b.entries[key]
	b.mu.RUnlock()
	if e == nil {
		return nil, nil
	}
	return e, e.rec.Load()
}

// Len returns how many credentials there are.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.entries)
}

// Get returns a credential by its name; ErrNotFound.
func (b *Book) Get(name string) (*Credential, error) {
	_, r, err := b.get(name)
	if err != nil {
		return nil, err
	}
	return &r.Credential, nil
}

func (b *Book) get(name string) (key string, r *record, err error) {
	key, ok := nameKey(name)
	if ok {
		_, r = b.find(key)
	}
	if r == nil {
		return "", nil, fmt.Errorf("%q: %w", message.CleanLine(name, maxName), ErrNotFound)
	}
	return key, r, nil
}

// List returns all credentials in the order of their names.
func (b *Book) List() []*Credential {
	b.mu.RLock()
	list := make([]*Credential, 0, len(b.entries))
	for _, e := range b.entries {
		if r := e.rec.Load(); r != nil {
			list = append(list, &r.Credential)
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(list, func(x, y *Credential) int { return strings.Compare(x.Name, y.Name) })
	return list
}
