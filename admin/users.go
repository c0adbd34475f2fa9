package admin

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/mailbox"
	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/address"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// Users is who has a mailbox, as the control API and its client change it: an account of the mailbox store with a
// credential of the same name. Secrets are told once, by the call that makes them. What is refused is a *Problem.
type Users interface {
	// List returns all, by name.
	List(ctx context.Context) ([]User, error)
	Get(ctx context.Context, name string) (User, error)
	// Add makes one. quota in bytes, 0 for none; nil: that of new users. Without a secret it gets a new one, which is
	// returned. What a crash has left of an Add before is completed.
	Add(ctx context.Context, name string, quota *int64, secret string) (shown string, err error)
	// Passwd gives it another secret, and ends its sessions. One that lost its credential gets one.
	Passwd(ctx context.Context, name, secret string) (shown string, err error)
	// Disable keeps it from logging in, and ends its sessions; mail for it is taken all the same.
	Disable(ctx context.Context, name string, disabled bool) error
	SetQuota(ctx context.Context, name string, quota int64) error
	// Remove removes it with its mail.
	Remove(ctx context.Context, name string) error
	// Export goes through all of its mail. The last pair has the error, if there is one.
	Export(ctx context.Context, name string) iter.Seq2[mailbox.Item, error]
	// Import adds mail, up to the first error, and tells how many messages it has stored. Folders that are missing are
	// made.
	Import(ctx context.Context, name string, items iter.Seq2[mailbox.Item, error]) (stored int, err error)
}

// User is the owner of a mailbox, as JSON tells it.
type User struct {
	Name     string    `json:"name"`
	Messages int       `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Quota    int64     `json:"quota"` // 0: none
	Created  time.Time `json:"created,omitzero"`
	Disabled bool      `json:"disabled,omitempty"`
	// NoLogin tells that there is no credential of this name.
	NoLogin bool `json:"no_login,omitempty"`
	// ReadOnly tells that the credential is in the configuration.
	ReadOnly bool `json:"read_only,omitempty"`
}

// LocalUsers are those of a store and a book.
type LocalUsers struct {
	Store *mailbox.Store
	Book  *auth.Book
	// Local tells whether a domain has its mailboxes here, and Quota what a new user's mail may take.
	Local func(domain string) bool
	Quota func() int64
}

// List implements Users.
func (u LocalUsers) List(ctx context.Context) ([]User, error) {
	accounts, err := u.Store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]User, len(accounts))
	for i := range accounts {
		list[i] = u.user(&accounts[i])
	}
	return list, nil
}

func (u LocalUsers) user(a *mailbox.Account) User {
	user := User{Name: a.Name, Messages: a.Messages, Bytes: a.Bytes, Quota: a.Quota, Created: a.Created}
	if c, err := u.Book.Get(a.Name); err == nil {
		user.Disabled, user.ReadOnly = c.Disabled, c.ReadOnly
	} else {
		user.NoLogin = true
	}
	return user
}

// Get implements Users.
func (u LocalUsers) Get(_ context.Context, name string) (User, error) {
	name, err := u.existing(name)
	if err != nil {
		return User{}, err
	}
	a, err := u.Store.Account(name)
	if err != nil {
		return User{}, userProblem(name, err)
	}
	return u.user(&a), nil
}

// existing returns the name of an account that there is.
func (u LocalUsers) existing(name string) (string, error) {
	canonical, _, err := address.ParseName(name)
	if err != nil || !u.Store.Has(canonical) {
		return "", userProblem(name, mailbox.ErrNoAccount)
	}
	return canonical, nil
}

// Add implements Users. The account comes first: mail for a user that cannot log in yet is kept, a login without a
// mailbox is of no use.
func (u LocalUsers) Add(ctx context.Context, name string, quota *int64, secret string) (string, error) {
	canonical, domain, err := address.ParseName(name)
	if err != nil {
		return "", badRequest(fmt.Errorf("%q is not an address: a user is NAME@DOMAIN", message.CleanLine(name, 100)))
	}
	if !u.Local(domain) {
		return "", problem(http.StatusBadRequest, fmt.Sprintf("%s is not a local domain: see mailbox.domains", domain))
	}
	login := auth.Credential{Name: canonical, Senders: []string{canonical}}
	kept, err := u.Book.Get(canonical)
	switch {
	case err == nil && u.Store.Has(canonical):
		return "", userProblem(canonical, mailbox.ErrExists)
	case err == nil && (!kept.ReadOnly || secret != ""):
		return "", problem(http.StatusConflict, canonical+" is a credential already: remove that first")
	}
	if err := checkSecret(login, secret); err != nil {
		return "", err
	}
	room := u.Quota()
	if quota != nil {
		room = *quota
	}
	if err := u.addAccount(ctx, canonical, room); err != nil {
		return "", err
	}
	if kept != nil {
		return "", nil // its secret is in the configuration
	}
	shown, err := u.Book.Add(ctx, login, secret)
	return shown, credentialProblem(err)
}

// addAccount takes one that is there for what an Add before has left.
func (u LocalUsers) addAccount(ctx context.Context, name string, quota int64) error {
	err := u.Store.Add(ctx, name, quota)
	if errors.Is(err, mailbox.ErrExists) {
		err = u.Store.SetQuota(ctx, name, quota)
	}
	return userProblem(name, err)
}

// checkSecret tells what is wrong with a secret, or a name, before anything is made.
func checkSecret(c auth.Credential, secret string) error {
	if secret == "" {
		secret = auth.GenerateSecret()
	}
	if err := (&auth.ReadOnly{Credential: c, Secret: secret}).Check(); err != nil {
		return badRequest(err)
	}
	return nil
}

// Passwd implements Users.
func (u LocalUsers) Passwd(ctx context.Context, name, secret string) (string, error) {
	name, err := u.existing(name)
	if err != nil {
		return "", err
	}
	shown, err := u.Book.Rotate(ctx, name, secret, 0)
	if errors.Is(err, auth.ErrNotFound) {
		shown, err = u.Book.Add(ctx, auth.Credential{Name: name, Senders: []string{name}}, secret)
	}
	return shown, credentialProblem(err)
}

// Disable implements Users.
func (u LocalUsers) Disable(ctx context.Context, name string, disabled bool) error {
	name, err := u.existing(name)
	if err != nil {
		return err
	}
	return credentialProblem(u.Book.Disable(ctx, name, disabled))
}

// SetQuota implements Users.
func (u LocalUsers) SetQuota(ctx context.Context, name string, quota int64) error {
	name, err := u.existing(name)
	if err != nil {
		return err
	}
	return userProblem(name, u.Store.SetQuota(ctx, name, quota))
}

// Remove implements Users. The login ends first and is forgotten last: whatever a crash leaves can be removed again, and
// nobody who gets the name later finds the mail of the one before.
func (u LocalUsers) Remove(ctx context.Context, name string) error {
	canonical, _, err := address.ParseName(name)
	if err != nil {
		return userProblem(name, mailbox.ErrNoAccount)
	}
	c, err := u.Book.Get(canonical)
	known := err == nil && !c.ReadOnly
	if known {
		if err := u.Book.Disable(ctx, canonical, true); err != nil {
			return credentialProblem(err)
		}
	}
	err = u.Store.Remove(ctx, canonical)
	if err != nil && !(known && errors.Is(err, mailbox.ErrNoAccount)) {
		return userProblem(canonical, err)
	}
	if known {
		return credentialProblem(u.Book.Remove(ctx, canonical))
	}
	return nil
}

// Export implements Users.
func (u LocalUsers) Export(ctx context.Context, name string) iter.Seq2[mailbox.Item, error] {
	name, err := u.existing(name)
	if err != nil {
		return func(yield func(mailbox.Item, error) bool) { yield(mailbox.Item{}, err) }
	}
	return u.Store.Export(ctx, name)
}

// Import implements Users.
func (u LocalUsers) Import(ctx context.Context, name string, items iter.Seq2[mailbox.Item, error]) (int, error) {
	name, err := u.existing(name)
	if err != nil {
		return 0, err
	}
	stored, err := u.Store.Import(ctx, name, items)
	return stored, userProblem(name, err)
}

// userProblem gives an error of the store its status; nil stays nil.
func userProblem(name string, err error) error {
	name = message.CleanLine(name, 254)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mailbox.ErrNoAccount):
		return problem(http.StatusNotFound, name+": no such user")
	case errors.Is(err, mailbox.ErrExists):
		return problem(http.StatusConflict, name+": user exists already")
	case errors.Is(err, mailbox.ErrName):
		return problem(http.StatusBadRequest, name+": not a name that a mailbox can have")
	case errors.Is(err, mailbox.ErrOverQuota):
		return problem(http.StatusRequestEntityTooLarge, name+": the quota is used up")
	case errors.Is(err, mailbox.ErrNUL), errors.Is(err, mailbox.ErrLimit):
		return problem(http.StatusUnprocessableEntity, name+": "+strings.TrimPrefix(err.Error(), "mailbox: "))
	default:
		return err
	}
}
