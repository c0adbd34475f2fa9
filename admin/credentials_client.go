package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Credentials returns the daemon's credentials.
func (c *Client) Credentials() Credentials { return remoteCredentials{c} }

type remoteCredentials struct{ *Client }

// List implements Credentials.
func (r remoteCredentials) List(ctx context.Context) (list []Credential, err error) {
	return list, r.get(ctx, http.MethodGet, "/v1/credentials", nil, &list)
}

// Get implements Credentials.
func (r remoteCredentials) Get(ctx context.Context, name string) (c Credential, err error) {
	return c, r.get(ctx, http.MethodGet, credentialPath(name, ""), nil, &c)
}

// Add implements Credentials.
func (r remoteCredentials) Add(ctx context.Context, c Credential, secret string) (string, error) {
	return r.post(ctx, "/v1/credentials", credentialCall{Credential: c, Secret: secret})
}

// Change implements Credentials.
func (r remoteCredentials) Change(ctx context.Context, c Credential) error {
	_, err := r.post(ctx, credentialPath(c.Name, ""), credentialCall{Credential: c})
	return err
}

// Disable implements Credentials.
func (r remoteCredentials) Disable(ctx context.Context, name string, disabled bool) error {
	act := "/enable"
	if disabled {
		act = "/disable"
	}
	_, err := r.post(ctx, credentialPath(name, act), credentialCall{})
	return err
}

// Rotate implements Credentials.
func (r remoteCredentials) Rotate(ctx context.Context, name, secret string, overlap time.Duration) (string, error) {
	return r.post(ctx, credentialPath(name, "/rotate"), credentialCall{Secret: secret, Overlap: overlap})
}

// Remove implements Credentials.
func (r remoteCredentials) Remove(ctx context.Context, name string) error {
	return r.get(ctx, http.MethodDelete, credentialPath(name, ""), nil, nil)
}

func credentialPath(name, act string) string { return "/v1/credentials/" + url.PathEscape(name) + act }

// post makes a call and returns the secret of its answer.
func (r remoteCredentials) post(ctx context.Context, path string, call credentialCall) (secret string, err error) {
	text, err := json.Marshal(call)
	if err != nil {
		return "", fmt.Errorf("control API: %w", err)
	}
	body, err := r.send(ctx, http.MethodPost, path, nil, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	defer body.Close()
	var answer credentialCall
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return "", fmt.Errorf("control API: %w", err)
	}
	return answer.Secret, nil
}
