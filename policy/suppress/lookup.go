package suppress

import (
	"errors"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// Lookup tells whether a recipient of a tenant's mail is suppressed, and by which entry: the tenant's
// own before one that holds for all, the address before its domain. After an error it is unknown; the
// recipient should then be told to come back (451).
func (l *List) Lookup(tenant string, to message.Address) (e Entry, found bool, err error) {
	l.lookups.Add(1)
	local := foldLocal(to.Local)
	for {
		if e, found, err = l.lookupIn(tenant, local, to.Domain); found || err != nil || tenant == "" {
			break
		}
		tenant = ""
	}
	if found {
		l.hits.Add(1)
	}
	return e, found, err
}

func (l *List) lookupIn(tenant, local, domain string) (Entry, bool, error) {
	var room [384]byte // keeps the keys off the heap
	key := append(append(append(room[:0], tenant...), 0, kindAddress), local...)
	key = append(append(key, '@'), domain...)
	if e, found, err := l.ask(key); found || err != nil {
		return e, found, err
	}
	return l.ask(appendDomainKey(room[:0], tenant, domain))
}

// ask looks for an entry that holds now.
func (l *List) ask(key []byte) (Entry, bool, error) {
	if f := l.filter.Load(); f != nil && !f.may(key) {
		return Entry{}, false, nil
	}
	l.asked.Add(1)
	e, err := l.get(append([]byte(nil), key...)) // or the caller's array would move to the heap
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Entry{}, false, nil
	case err != nil:
		return Entry{}, false, err
	case e.ended(l.now()):
		return Entry{}, false, nil
	}
	return e, true, nil
}

func (l *List) get(key []byte) (Entry, error) {
	record, err := l.store.Get(store.Suppressions, key)
	if err != nil {
		return Entry{}, err
	}
	return readEntry(key, record)
}
