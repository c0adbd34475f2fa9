package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// record is a credential with its secrets, as a Book has it at one time. It is never changed.
type record struct {
	Credential
	senders  senders
	current  *Secret
	previous *Secret // nil, or the one before; Credential.PreviousUntil bounds it
	gen      uint64  // of this state: no two states in a Book have the same
}

// good tells whether a secret may be used now.
func (r *record) good(id secretID, now time.Time) bool {
	if r == nil || r.Disabled {
		return false
	}
	return r.current.id == id || r.previous != nil && r.previous.id == id && now.Before(r.PreviousUntil)
}

// seal checks the record and makes it ready for look-ups.
func (r *record) seal() (err error) {
	if err := r.check(); err != nil {
		return err
	}
	r.senders, err = parseSenders(r.Senders)
	return err
}

const recordVersion = 1

// stored is a record on disk, behind a byte for the version. JSON, because there are few and an
// operator may have to look.
type stored struct {
	Name          string
	Tenant        string   `json:",omitempty"`
	Class         string   `json:",omitempty"`
	Senders       []string `json:",omitempty"`
	Limits        Limits
	Disabled      bool      `json:",omitempty"`
	Capture       bool      `json:",omitempty"`
	Note          string    `json:",omitempty"`
	Created       time.Time `json:",omitzero"`
	Rotated       time.Time `json:",omitzero"`
	PreviousUntil time.Time `json:",omitzero"`
	Current       storedSecret
	Previous      *storedSecret `json:",omitempty"`
}

type storedSecret struct {
	ID     []byte
	Argon2 string
	SCRAM  string `json:",omitempty"`
}

func storeSecret(s *Secret) storedSecret {
	a, k := s.Hashes()
	return storedSecret{ID: s.id[:], Argon2: a, SCRAM: k}
}

func (s *storedSecret) load() (*Secret, error) {
	secret, err := ParseSecret(s.Argon2, s.SCRAM)
	if err != nil {
		return nil, err
	}
	if copy(secret.id[:], s.ID) != len(secret.id) {
		return nil, fmt.Errorf("bad id of a secret")
	}
	return secret, nil
}

func (r *record) encode() ([]byte, error) {
	s := stored{
		Name: r.Name, Tenant: r.Tenant, Class: r.Class.String(), Senders: r.Senders, Limits: r.Limits,
		Disabled: r.Disabled, Capture: r.Capture, Note: r.Note,
		Created: r.Created, Rotated: r.Rotated, PreviousUntil: r.PreviousUntil, Current: storeSecret(r.current),
	}
	if r.previous != nil {
		p := storeSecret(r.previous)
		s.Previous = &p
	}
	text, err := json.Marshal(s)
	return append([]byte{recordVersion}, text...), err
}

func decodeRecord(value []byte) (*record, error) {
	if len(value) == 0 || value[0] != recordVersion {
		return nil, fmt.Errorf("version of the record is unknown")
	}
	var s stored
	if err := json.Unmarshal(value[1:], &s); err != nil {
		return nil, err
	}
	r := &record{Credential: Credential{
		Name: s.Name, Tenant: s.Tenant, Senders: s.Senders, Limits: s.Limits,
		Disabled: s.Disabled, Capture: s.Capture, Note: s.Note,
		Created: s.Created, Rotated: s.Rotated, PreviousUntil: s.PreviousUntil,
	}}
	var err error
	if r.Class, err = parseClass(s.Class); err != nil {
		return nil, err
	}
	if r.current, err = s.Current.load(); err != nil {
		return nil, err
	}
	if s.Previous != nil {
		if r.previous, err = s.Previous.load(); err != nil {
			return nil, err
		}
	}
	return r, r.seal()
}

func parseClass(name string) (message.Class, error) {
	for c := range message.NumClasses {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("class %q is unknown", name)
}
