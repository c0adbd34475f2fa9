package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/posthaste-mta/posthaste/policy/greylist"
)

// Greylist returns the daemon's greylist.
func (c *Client) Greylist() Greylist { return remoteGreylist{c} }

type remoteGreylist struct{ *Client }

// Items implements Greylist.
func (g remoteGreylist) Items(ctx context.Context, what GreylistPart, f greylist.Filter) iter.Seq2[GreylistItem, error] {
	return func(yield func(GreylistItem, error) bool) {
		body, err := g.call(ctx, http.MethodGet, "/v1/greylist/"+url.PathEscape(string(what)), greylistValues(f))
		if err != nil {
			yield(GreylistItem{}, err)
			return
		}
		defer body.Close()
		lines := json.NewDecoder(bufio.NewReader(body))
		for {
			var line struct {
				GreylistItem
				listLine
			}
			switch err := lines.Decode(&line); {
			case err == io.EOF:
				return
			case err != nil:
				yield(GreylistItem{}, fmt.Errorf("control API: %w", err))
				return
			case line.Error != nil:
				yield(GreylistItem{}, line.Error)
				return
			}
			if !yield(line.GreylistItem, nil) {
				return
			}
		}
	}
}

// Forget implements Greylist.
func (g remoteGreylist) Forget(ctx context.Context, f greylist.Filter) (n Forgotten, err error) {
	return n, g.get(ctx, http.MethodPost, "/v1/greylist/forget", greylistValues(f), &n)
}

// Allow implements Greylist.
func (g remoteGreylist) Allow(ctx context.Context, a greylist.Allowance) error {
	v := url.Values{"kind": {a.Kind.String()}, "name": {a.Name}}
	if !a.Until.IsZero() {
		v.Set("until", a.Until.Format(time.RFC3339))
	}
	return g.get(ctx, http.MethodPost, "/v1/greylist/allow", v, nil)
}

// Disallow implements Greylist.
func (g remoteGreylist) Disallow(ctx context.Context, kind greylist.Kind, name string) error {
	err := g.get(ctx, http.MethodDelete, "/v1/greylist/allow", url.Values{"kind": {kind.String()}, "name": {name}}, nil)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return fmt.Errorf("%w: %s %s", greylist.ErrNotFound, kind, name)
	}
	return err
}

func greylistValues(f greylist.Filter) url.Values {
	v := url.Values{}
	if f.Network.IsValid() {
		v.Set("network", f.Network.String())
	}
	if f.Sender != "" {
		v.Set("sender", f.Sender)
	}
	if f.Recipient != "" {
		v.Set("recipient", f.Recipient)
	}
	if f.Waiting {
		v.Set("waiting", "true")
	}
	return v
}
