package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// Suppression returns the daemon's suppression lists.
func (c *Client) Suppression() Suppression { return remoteSuppression{c} }

type remoteSuppression struct{ *Client }

// Add implements Suppression. The entries differ in their targets alone.
func (s remoteSuppression) Add(ctx context.Context, entries ...suppress.Entry) error {
	v := url.Values{}
	for i := range entries {
		e := entries[i]
		v.Add("target", e.Target)
		if e.Target = entries[0].Target; e != entries[0] {
			return errors.New("control API: entries that differ in more than their targets")
		}
	}
	if len(entries) > 0 {
		e := entries[0]
		v.Set("tenant", e.Tenant)
		v.Set("reason", e.Reason)
		v.Set("event", e.Evidence.Event)
		v.Set("remote", e.Evidence.Remote)
		if !e.Until.IsZero() {
			v.Set("until", e.Until.Format(time.RFC3339))
		}
	}
	return s.get(ctx, http.MethodPost, "/v1/suppress", v, nil)
}

// Remove implements Suppression.
func (s remoteSuppression) Remove(ctx context.Context, tenant, target string) error {
	err := s.get(ctx, http.MethodDelete, "/v1/suppress", url.Values{"tenant": {tenant}, "target": {target}}, nil)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return fmt.Errorf("%w: %s of tenant %q", suppress.ErrNotFound, target, tenant)
	}
	return err
}

// Import implements Suppression.
func (s remoteSuppression) Import(ctx context.Context, r io.Reader, format suppress.Format, tenant string) (res suppress.ImportResult, err error) {
	body, err := s.send(ctx, http.MethodPost, "/v1/suppress/import", url.Values{"format": {string(format)}, "tenant": {tenant}}, r)
	if err != nil {
		return res, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&res); err != nil {
		return res, fmt.Errorf("control API: %w", err)
	}
	return res, nil
}

// Export implements Suppression; it does not tell how many there were.
func (s remoteSuppression) Export(w io.Writer, format suppress.Format, f suppress.Filter) (int64, error) {
	v := url.Values{"format": {string(format)}, "contains": {f.Contains}, "reason": {f.Reason}, "target": f.Targets}
	if f.OneTenant {
		v.Set("tenant", f.Tenant)
	}
	body, err := s.call(context.Background(), http.MethodGet, "/v1/suppress", v)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return 0, err
}
