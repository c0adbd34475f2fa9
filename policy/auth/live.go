package auth

import (
	"sync/atomic"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// entry is a name's place in a Book. What it holds is replaced as a whole.
type entry struct {
	key string
	rec atomic.Pointer[record] // nil once the credential is removed
}

// Live is a login that succeeded. It sees the credential as it is now, not as it was then. Safe for
// concurrent use.
type Live struct {
	entry  *entry
	secret secretID
	now    func() time.Time
}

// Credential returns the credential's present state; ErrGone if the login is not valid any more
// because the credential was disabled or removed, or its secret replaced. Ask at every command.
func (l *Live) Credential() (*Credential, error) {
	r, err := l.record()
	if err != nil {
		return nil, err
	}
	return &r.Credential, nil
}

func (l *Live) record() (*record, error) {
	r := l.entry.rec.Load()
	if !r.good(l.secret, l.now()) {
		return nil, ErrGone
	}
	return r, nil
}

// MayMail tells whether mailFrom, as in MAIL FROM without brackets, may be used: 553 5.7.1 if not,
// or ErrGone. The null sender may.
func (l *Live) MayMail(mailFrom string) error {
	r, err := l.record()
	if err != nil {
		return err
	}
	return r.senders.mayMail(mailFrom)
}

// MaySend is MayMail together with the addresses of the From field, all of which must be allowed.
// Hand it the addresses of every From field there is.
func (l *Live) MaySend(mailFrom string, from []message.Address) error {
	r, err := l.record()
	if err != nil {
		return err
	}
	if err := r.senders.mayMail(mailFrom); err != nil {
		return err
	}
	return r.senders.mayFrom(from)
}
