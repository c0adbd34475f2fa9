package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/posthaste-mta/posthaste/message"
)

// ErrNotRunning is returned when nobody answers at the control socket.
var ErrNotRunning = errors.New("posthaste is not running, or its control socket is elsewhere")

// Client calls the control API of the daemon at a socket. What the daemon refuses is a *Problem.
type Client struct {
	http http.Client
	path string
}

// NewClient returns a client of the socket at path; nothing is opened until it is used.
func NewClient(path string) *Client {
	var d net.Dialer
	return &Client{path: path, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
		MaxIdleConns: 1,
	}}}
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// List yields what matches, at most limit recipients if that is above 0, as the daemon sends it.
func (c *Client) List(ctx context.Context, f Filter, limit int) iter.Seq2[*QueueItem, error] {
	return func(yield func(*QueueItem, error) bool) {
		v := f.values()
		if limit > 0 {
			v.Set("limit", strconv.Itoa(limit))
		}
		body, err := c.call(ctx, http.MethodGet, "/v1/queue", v)
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		lines := json.NewDecoder(bufio.NewReader(body))
		for {
			var line struct {
				QueueItem
				listLine
			}
			switch err := lines.Decode(&line); {
			case err == io.EOF:
				return
			case err != nil:
				yield(nil, fmt.Errorf("control API: %w", err))
				return
			case line.Error != nil:
				yield(nil, line.Error)
				return
			}
			if !yield(&line.QueueItem, nil) {
				return
			}
		}
	}
}

// Count tells how many recipients match: the dry run of every act.
func (c *Client) Count(ctx context.Context, f Filter) (n Count, err error) {
	return n, c.get(ctx, http.MethodGet, "/v1/queue/count", f.values(), &n)
}

// Stats tells where mail piles up, by domain, sender or tenant, in the top rows (0: all).
func (c *Client) Stats(ctx context.Context, f Filter, by string, top int) (s Stats, err error) {
	v := f.values()
	v.Set("by", by)
	v.Set("top", strconv.Itoa(top))
	return s, c.get(ctx, http.MethodGet, "/v1/queue/stats", v, &s)
}

// Act does act to what matches. all must be set for a final act with an empty filter; the reason
// is for Bounce alone.
func (c *Client) Act(ctx context.Context, act Act, f Filter, all bool, reason string) (r ActResult, err error) {
	v := f.values()
	if all {
		v.Set("all", "true")
	}
	if reason != "" {
		v.Set("reason", reason)
	}
	return r, c.get(ctx, http.MethodPost, "/v1/queue/"+url.PathEscape(string(act)), v, &r)
}

// Audit compares what was accepted with what ended and what is queued.
func (c *Client) Audit(ctx context.Context) (a Audit, err error) {
	return a, c.get(ctx, http.MethodGet, "/v1/audit", nil, &a)
}

// Trace writes the life of a message to w.
func (c *Client) Trace(ctx context.Context, w io.Writer, id message.ID) error {
	return c.text(ctx, w, "/v1/trace/"+id.String())
}

// Resolve writes what would be done for a domain to w.
func (c *Client) Resolve(ctx context.Context, w io.Writer, domain string) error {
	return c.text(ctx, w, "/v1/resolve/"+url.PathEscape(domain))
}

// Backup has the daemon copy the queue to dir, a path on its machine as it sees it.
func (c *Client) Backup(ctx context.Context, dir string) error {
	return c.get(ctx, http.MethodPost, "/v1/backup", url.Values{"dir": {dir}}, nil)
}

// Reload has the daemon read its configuration again. It returns the settings that have changed and wait for a restart.
func (c *Client) Reload(ctx context.Context) (restart []string, err error) {
	var answer reloaded
	err = c.get(ctx, http.MethodPost, "/v1/reload", nil, &answer)
	return answer.Restart, err
}

// get makes a call whose answer is one JSON value.
func (c *Client) get(ctx context.Context, method, path string, query url.Values, into any) error {
	body, err := c.call(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("control API: %w", err)
	}
	return nil
}

func (c *Client) text(ctx context.Context, w io.Writer, path string) error {
	body, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

// call returns the body of an answer that says success; the caller closes it.
func (c *Client) call(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	return c.send(ctx, method, path, query, nil)
}

// send is call with a body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, content io.Reader) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://posthaste"+path, content)
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = query.Encode()
	answer, err := c.http.Do(r)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (%s)", ErrNotRunning, c.path)
	case err != nil:
		return nil, fmt.Errorf("control API: %w", err)
	case answer.StatusCode == http.StatusOK:
		return answer.Body, nil
	}
	defer answer.Body.Close()
	p := problem(answer.StatusCode, "")
	// Whatever is not a Problem leaves the status to speak for itself.
	_ = json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(p)
	return nil, p
}
