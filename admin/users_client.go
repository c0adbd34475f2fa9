package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Users returns the daemon's users.
func (c *Client) Users() Users { return remoteUsers{c} }

type remoteUsers struct{ *Client }

// List implements Users.
func (r remoteUsers) List(ctx context.Context) (list []User, err error) {
	return list, r.get(ctx, http.MethodGet, "/v1/users", nil, &list)
}

// Get implements Users.
func (r remoteUsers) Get(ctx context.Context, name string) (u User, err error) {
	return u, r.get(ctx, http.MethodGet, userPath(name, ""), nil, &u)
}

// Add implements Users.
func (r remoteUsers) Add(ctx context.Context, name string, quota *int64, secret string) (string, error) {
	return r.post(ctx, "/v1/users", userCall{Name: name, Quota: quota, Secret: secret})
}

// Passwd implements Users.
func (r remoteUsers) Passwd(ctx context.Context, name, secret string) (string, error) {
	return r.post(ctx, userPath(name, "/passwd"), userCall{Secret: secret})
}

// Disable implements Users.
func (r remoteUsers) Disable(ctx context.Context, name string, disabled bool) error {
	act := "/enable"
	if disabled {
		act = "/disable"
	}
	_, err := r.post(ctx, userPath(name, act), userCall{})
	return err
}

// SetQuota implements Users.
func (r remoteUsers) SetQuota(ctx context.Context, name string, quota int64) error {
	_, err := r.post(ctx, userPath(name, "/quota"), userCall{Quota: &quota})
	return err
}

// Remove implements Users.
func (r remoteUsers) Remove(ctx context.Context, name string) error {
	return r.get(ctx, http.MethodDelete, userPath(name, ""), nil, nil)
}

func userPath(name, act string) string { return "/v1/users/" + url.PathEscape(name) + act }

// post makes a call and returns the secret of its answer.
func (r remoteUsers) post(ctx context.Context, path string, call userCall) (secret string, err error) {
	text, err := json.Marshal(call)
	if err != nil {
		return "", fmt.Errorf("control API: %w", err)
	}
	body, err := r.send(ctx, http.MethodPost, path, nil, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	defer body.Close()
	var answer userCall
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return "", fmt.Errorf("control API: %w", err)
	}
	return answer.Secret, nil
}
