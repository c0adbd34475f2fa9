package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/posthaste-mta/posthaste/policy/suppress"
)

// Suppression is the suppression lists, as the control API and its client change them. *suppress.List is one.
type Suppression interface {
	// Add enters all or, if one is wrong, none.
	Add(ctx context.Context, entries ...suppress.Entry) error
	// Remove returns suppress.ErrNotFound if there is none.
	Remove(ctx context.Context, tenant, target string) error
	// Import enters all entries of a file or, if one is wrong, none.
	Import(ctx context.Context, r io.Reader, format suppress.Format, tenant string) (suppress.ImportResult, error)
	// Export writes the entries that the filter lets through, and tells how many.
	Export(w io.Writer, format suppress.Format, f suppress.Filter) (int64, error)
}

// suppressRoutes adds the calls about suppression lists.
func (c *Control) suppressRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/suppress", c.suppressExport)
	mux.HandleFunc("POST /v1/suppress", answer(c.suppressAdd))
	mux.HandleFunc("DELETE /v1/suppress", answer(c.suppressRemove))
	mux.HandleFunc("POST /v1/suppress/import", answer(c.suppressImport))
}

func (c *Control) suppressExport(w http.ResponseWriter, r *http.Request) {
	if c.Tools.Suppression == nil {
		writeProblem(w, errNotOffered)
		return
	}
	q := r.URL.Query()
	out := &textWriter{w: w}
	_, err := c.Tools.Suppression.Export(out, suppress.Format(q.Get("format")), suppressFilter(q))
	switch {
	case err != nil && out.begun:
		panic(http.ErrAbortHandler) // half a list must not be taken for one: the caller sees the connection break
	case err != nil:
		writeProblem(w, suppressProblem(err))
	}
}

func (c *Control) suppressAdd(r *http.Request) (done, error) {
	if c.Tools.Suppression == nil {
		return done{}, errNotOffered
	}
	q := r.URL.Query()
	e := suppress.Entry{Tenant: q.Get("tenant"), Reason: q.Get("reason"), Evidence: suppress.Evidence{Event: q.Get("event"), Remote: q.Get("remote")}}
	if until := q.Get("until"); until != "" {
		var err error
		if e.Until, err = time.Parse(time.RFC3339, until); err != nil {
			return done{}, badRequest(err)
		}
	}
	entries := make([]suppress.Entry, len(q["target"]))
	for i, target := range q["target"] {
		entries[i] = e
		entries[i].Target = target
	}
	return done{}, suppressProblem(c.Tools.Suppression.Add(r.Context(), entries...))
}

func (c *Control) suppressRemove(r *http.Request) (done, error) {
	if c.Tools.Suppression == nil {
		return done{}, errNotOffered
	}
	q := r.URL.Query()
	return done{}, suppressProblem(c.Tools.Suppression.Remove(r.Context(), q.Get("tenant"), q.Get("target")))
}

func (c *Control) suppressImport(r *http.Request) (suppress.ImportResult, error) {
	if c.Tools.Suppression == nil {
		return suppress.ImportResult{}, errNotOffered
	}
	q := r.URL.Query()
	res, err := c.Tools.Suppression.Import(r.Context(), r.Body, suppress.Format(q.Get("format")), q.Get("tenant"))
	return res, suppressProblem(err)
}

// suppressProblem gives an error of the lists its status; nil stays nil.
func suppressProblem(err error) error {
	var field *suppress.FieldError
	var file *suppress.ImportError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &file):
		return problem(http.StatusUnprocessableEntity, err.Error())
	case errors.As(err, &field):
		return badRequest(err)
	case errors.Is(err, suppress.ErrNotFound):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, suppress.ErrImporting):
		return problem(http.StatusConflict, err.Error())
	}
	return err
}

func suppressFilter(q url.Values) suppress.Filter {
	return suppress.Filter{
		Tenant: q.Get("tenant"), OneTenant: q.Has("tenant"), Contains: q.Get("contains"), Reason: q.Get("reason"), Targets: q["target"],
	}
}
