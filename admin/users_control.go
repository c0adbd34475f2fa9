package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// userCall is the body of the calls that make or change a user, and of their answers. Secrets stand in bodies alone:
// addresses get into logs.
type userCall struct {
	Name   string `json:"name,omitempty"`
	Quota  *int64 `json:"quota,omitempty"`
	Secret string `json:"secret,omitempty"`
}

// userRoutes adds the calls about users.
func (c *Control) userRoutes(mux *http.ServeMux) {
	on := func(pattern string, call func(context.Context, Users, string, *userCall) (any, error)) {
		mux.HandleFunc(pattern, answer(func(r *http.Request) (any, error) {
			if c.Tools.Users == nil {
				return nil, errNoMailboxes()
			}
			var body userCall
			if r.Method == http.MethodPost {
				d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16))
				d.DisallowUnknownFields()
				if err := d.Decode(&body); err != nil {
					return nil, badRequest(err)
				}
			}
			return call(r.Context(), c.Tools.Users, r.PathValue("name"), &body)
		}))
	}
	on("GET /v1/users", func(ctx context.Context, all Users, _ string, _ *userCall) (any, error) {
		return all.List(ctx)
	})
	on("GET /v1/users/{name}", func(ctx context.Context, all Users, name string, _ *userCall) (any, error) {
		return all.Get(ctx, name)
	})
	on("POST /v1/users", func(ctx context.Context, all Users, _ string, in *userCall) (any, error) {
		secret, err := all.Add(ctx, in.Name, in.Quota, in.Secret)
		return userCall{Secret: secret}, err
	})
	on("POST /v1/users/{name}/passwd", func(ctx context.Context, all Users, name string, in *userCall) (any, error) {
		secret, err := all.Passwd(ctx, name, in.Secret)
		return userCall{Secret: secret}, err
	})
	on("POST /v1/users/{name}/disable", func(ctx context.Context, all Users, name string, _ *userCall) (any, error) {
		return done{}, all.Disable(ctx, name, true)
	})
	on("POST /v1/users/{name}/enable", func(ctx context.Context, all Users, name string, _ *userCall) (any, error) {
		return done{}, all.Disable(ctx, name, false)
	})
	on("POST /v1/users/{name}/quota", func(ctx context.Context, all Users, name string, in *userCall) (any, error) {
		if in.Quota == nil || *in.Quota < 0 {
			return nil, badRequest(errors.New("no quota was given"))
		}
		return done{}, all.SetQuota(ctx, name, *in.Quota)
	})
	mux.HandleFunc("GET /v1/users/{name}/mail", c.exportMail)
	mux.HandleFunc("POST /v1/users/{name}/mail", answer(c.importMail))
	on("DELETE /v1/users/{name}", func(ctx context.Context, all Users, name string, _ *userCall) (any, error) {
		return done{}, all.Remove(ctx, name)
	})
}
