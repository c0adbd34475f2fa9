package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
)

// Credentials is who may log in, as the control API and its client change them. Secrets are told once, by the call
// that makes them. What is refused is a *Problem.
type Credentials interface {
	// List returns all, by name, those of the configuration among them.
	List(ctx context.Context) ([]Credential, error)
	Get(ctx context.Context, name string) (Credential, error)
	// Add makes one. Without a secret it gets a new one, which is returned.
	Add(ctx context.Context, c Credential, secret string) (shown string, err error)
	// Change replaces all of the one of that name but its secret and the times.
	Change(ctx context.Context, c Credential) error
	// Disable ends its open sessions too; with false it may log in again.
	Disable(ctx context.Context, name string, disabled bool) error
	// Rotate gives it another secret; the one before stays good for overlap.
	Rotate(ctx context.Context, name, secret string, overlap time.Duration) (shown string, err error)
	Remove(ctx context.Context, name string) error
}

// Credential is a name that may log in, as JSON tells it; never its secret.
type Credential struct {
	Name     string           `json:"name"`
	Tenant   string           `json:"tenant,omitempty"`
	Class    string           `json:"class"`
	Senders  []string         `json:"senders"`
	Limits   CredentialLimits `json:"limits"`
	Disabled bool             `json:"disabled,omitempty"`
	Capture  bool             `json:"capture,omitempty"`
	Note     string           `json:"note,omitempty"`
	// ReadOnly tells that it is in the configuration.
	ReadOnly bool      `json:"read_only,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Rotated  time.Time `json:"rotated,omitzero"`
	// PreviousUntil is how long the secret before is good too.
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

// CredentialLimits bound what it may send; 0 is no limit.
type CredentialLimits struct {
	MessagesPerSecond   int   `json:"messages_per_second,omitempty"`
	MessagesPerHour     int   `json:"messages_per_hour,omitempty"`
	MessagesPerDay      int   `json:"messages_per_day,omitempty"`
	RecipientsPerSecond int   `json:"recipients_per_second,omitempty"`
	RecipientsPerHour   int   `json:"recipients_per_hour,omitempty"`
	RecipientsPerDay    int   `json:"recipients_per_day,omitempty"`
	Connections         int   `json:"connections,omitempty"`
	MessageBytes        int64 `json:"message_bytes,omitempty"`
}

func credentialOf(c *auth.Credential) Credential {
	m, r := c.Limits.Messages, c.Limits.Recipients
	return Credential{
		Name: c.Name, Tenant: c.Tenant, Class: c.Class.String(), Senders: append([]string{}, c.Senders...),
		Limits:   CredentialLimits{m.PerSecond, m.PerHour, m.PerDay, r.PerSecond, r.PerHour, r.PerDay, c.Limits.Connections, c.Limits.MessageBytes},
		Disabled: c.Disabled, Capture: c.Capture, Note: c.Note, ReadOnly: c.ReadOnly,
		Created: c.Created, Rotated: c.Rotated, PreviousUntil: c.PreviousUntil,
	}
}

// set gives to all that may be changed.
func (c *Credential) set(to *auth.Credential) error {
	class, ok := classOf(c.Class)
	if !ok {
		return fmt.Errorf("class %q is not one of normal, transactional, bulk", c.Class)
	}
	l := &c.Limits
	to.Tenant, to.Class, to.Senders, to.Note = c.Tenant, class, c.Senders, c.Note
	to.Disabled, to.Capture = c.Disabled, c.Capture
	to.Limits = auth.Limits{
		Messages:    auth.Rates{PerSecond: l.MessagesPerSecond, PerHour: l.MessagesPerHour, PerDay: l.MessagesPerDay},
		Recipients:  auth.Rates{PerSecond: l.RecipientsPerSecond, PerHour: l.RecipientsPerHour, PerDay: l.RecipientsPerDay},
		Connections: l.Connections, MessageBytes: l.MessageBytes,
	}
	return nil
}

func classOf(name string) (message.Class, bool) {
	if name == "" {
		return message.ClassNormal, true
	}
	for c := range message.NumClasses {
		if c.String() == name {
			return c, true
		}
	}
	return 0, false
}

// BookCredentials returns those of a book.
func BookCredentials(b *auth.Book) Credentials { return bookCredentials{b} }

type bookCredentials struct{ book *auth.Book }

// List implements Credentials.
func (b bookCredentials) List(context.Context) ([]Credential, error) {
	list := b.book.List()
	out := make([]Credential, len(list))
	for i, c := range list {
		out[i] = credentialOf(c)
	}
	return out, nil
}

// Get implements Credentials.
func (b bookCredentials) Get(_ context.Context, name string) (Credential, error) {
	c, err := b.book.Get(name)
	if err != nil {
		return Credential{}, credentialProblem(err)
	}
	return credentialOf(c), nil
}

// Add implements Credentials.
func (b bookCredentials) Add(ctx context.Context, c Credential, secret string) (string, error) {
	made := auth.Credential{Name: c.Name}
	if err := c.set(&made); err != nil {
		return "", badRequest(err)
	}
	shown, err := b.book.Add(ctx, made, secret)
	return shown, credentialProblem(err)
}

// Change implements Credentials.
func (b bookCredentials) Change(ctx context.Context, c Credential) error {
	return credentialProblem(b.book.Change(ctx, c.Name, c.set))
}

// Disable implements Credentials.
func (b bookCredentials) Disable(ctx context.Context, name string, disabled bool) error {
	return credentialProblem(b.book.Disable(ctx, name, disabled))
}

// Rotate implements Credentials.
func (b bookCredentials) Rotate(ctx context.Context, name, secret string, overlap time.Duration) (string, error) {
	shown, err := b.book.Rotate(ctx, name, secret, overlap)
	return shown, credentialProblem(err)
}

// Remove implements Credentials.
func (b bookCredentials) Remove(ctx context.Context, name string) error {
	return credentialProblem(b.book.Remove(ctx, name))
}

// credentialProblem gives an error of a book its status; nil stays nil.
func credentialProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrNotFound):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, auth.ErrExists), errors.Is(err, auth.ErrReadOnly):
		return problem(http.StatusConflict, err.Error())
	case errors.Is(err, auth.ErrBusy):
		return problem(http.StatusServiceUnavailable, "too many logins are being checked, try again")
	case errors.Is(err, store.ErrFailed), errors.Is(err, store.ErrClosed), errors.Is(err, context.Canceled):
		return err
	default:
		return badRequest(err)
	}
}
