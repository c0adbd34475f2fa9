package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// credentialCall is the body of the calls that make or change a credential, and of their answers. Secrets stand in
// bodies alone: addresses get into logs.
type credentialCall struct {
	Credential Credential    `json:"credential,omitzero"`
	Secret     string        `json:"secret,omitempty"`
	Overlap    time.Duration `json:"overlap_ns,omitempty"`
}

// credentialRoutes adds the calls about credentials.
func (c *Control) credentialRoutes(mux *http.ServeMux) {
	on := func(pattern string, call func(context.Context, Credentials, string, *credentialCall) (any, error)) {
		mux.HandleFunc(pattern, answer(func(r *http.Request) (any, error) {
			if c.Tools.Credentials == nil {
				return nil, errNotOffered
			}
			var body credentialCall
			if r.Method == http.MethodPost {
				d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
				d.DisallowUnknownFields()
				if err := d.Decode(&body); err != nil {
					return nil, badRequest(err)
				}
			}
			return call(r.Context(), c.Tools.Credentials, r.PathValue("name"), &body)
		}))
	}
	on("GET /v1/credentials", func(ctx context.Context, all Credentials, _ string, _ *credentialCall) (any, error) {
		return all.List(ctx)
	})
	on("GET /v1/credentials/{name}", func(ctx context.Context, all Credentials, name string, _ *credentialCall) (any, error) {
		return all.Get(ctx, name)
	})
	on("POST /v1/credentials", func(ctx context.Context, all Credentials, _ string, in *credentialCall) (any, error) {
		secret, err := all.Add(ctx, in.Credential, in.Secret)
		return credentialCall{Secret: secret}, err
	})
	on("POST /v1/credentials/{name}", func(ctx context.Context, all Credentials, name string, in *credentialCall) (any, error) {
		in.Credential.Name = name
		return done{}, all.Change(ctx, in.Credential)
	})
	on("POST /v1/credentials/{name}/disable", func(ctx context.Context, all Credentials, name string, _ *credentialCall) (any, error) {
		return done{}, all.Disable(ctx, name, true)
	})
	on("POST /v1/credentials/{name}/enable", func(ctx context.Context, all Credentials, name string, _ *credentialCall) (any, error) {
		return done{}, all.Disable(ctx, name, false)
	})
	on("POST /v1/credentials/{name}/rotate", func(ctx context.Context, all Credentials, name string, in *credentialCall) (any, error) {
		secret, err := all.Rotate(ctx, name, in.Secret, in.Overlap)
		return credentialCall{Secret: secret}, err
	})
	on("DELETE /v1/credentials/{name}", func(ctx context.Context, all Credentials, name string, _ *credentialCall) (any, error) {
		return done{}, all.Remove(ctx, name)
	})
}
