package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// Control is the operators' API: HTTP and JSON on a unix socket whose permissions are the only
// guard. Everything below /v1/; errors are problem+json.
//
//	GET  /v1/queue?FILTER&limit=N          items, one JSON object a line, written as they are read
//	GET  /v1/queue/count?FILTER            Count
//	GET  /v1/queue/stats?FILTER&by=&top=   Stats
//	POST /v1/queue/ACT?FILTER              ActResult; ACT: retry hold release drop bounce;
//	                                       all=true where the filter is empty, reason= for bounce
//	GET  /v1/audit                         Audit
//	GET  /v1/trace/ID                      text
//	GET  /v1/resolve/DOMAIN                text
//	POST /v1/backup?dir=DIR                nothing, when the copy is complete
//	GET  /v1/suppress?FILTER&format=       the lists as a file; FILTER: tenant= contains= reason= target=
//	POST /v1/suppress?target=&ENTRY        nothing, when the entries are on disk
//	DELETE /v1/suppress?target=&tenant=    nothing, when it is off the list
//	POST /v1/suppress/import?format=       ImportResult; the file is the body
//	GET  /v1/greylist/PART?FILTER          items, one a line; PART: triplets clients allowed;
//	                                       FILTER: network= sender= recipient= waiting=true
//	POST /v1/greylist/forget?FILTER        Forgotten
//	POST /v1/greylist/allow?kind=&name=    nothing, when it is on disk; until=
//	DELETE /v1/greylist/allow?kind=&name=  nothing, when it is on disk
//	GET  /v1/credentials[/NAME]            Credential, or a list of all
//	POST /v1/credentials                   {credential, secret}: makes one; {secret}
//	POST /v1/credentials/NAME[/ACT]        {credential}, or ACT: disable enable, rotate {secret, overlap_ns}; {secret}
//	DELETE /v1/credentials/NAME            nothing, when it is gone
//	GET  /v1/users[/NAME]                  User, or a list of all
//	POST /v1/users                         {name, quota, secret}: makes one; {secret}
//	POST /v1/users/NAME/ACT                {}, passwd {secret}, quota {quota}; ACT: passwd disable enable quota; {secret}
//	GET  /v1/users/NAME/mail               all mail as an mbox of our own kind, cut off at an error
//	POST /v1/users/NAME/mail               ImportedMail; the body is such an mbox
//	DELETE /v1/users/NAME                  nothing, when it is gone with its mail
//	POST /v1/reload                        nothing, when the new configuration is in force
type Control struct {
	Relay Relay
	Tools Tools
}

// Handler returns the API.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/queue", c.list)
	mux.HandleFunc("GET /v1/queue/count", answer(c.count))
	mux.HandleFunc("GET /v1/queue/stats", answer(c.stats))
	mux.HandleFunc("POST /v1/queue/{act}", answer(c.act))
	mux.HandleFunc("GET /v1/audit", answer(c.audit))
	mux.HandleFunc("GET /v1/trace/{id}", c.trace)
	mux.HandleFunc("GET /v1/resolve/{domain}", c.resolve)
	mux.HandleFunc("POST /v1/backup", answer(c.backup))
	mux.HandleFunc("POST /v1/reload", answer(c.reload))
	c.suppressRoutes(mux)
	c.greylistRoutes(mux)
	c.credentialRoutes(mux)
	c.userRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem(http.StatusNotFound, "no such call: "+r.Method+" "+r.URL.Path))
	})
	return mux
}

// Serve answers on l until ctx ends; requests under way are then cancelled. It closes l.
func (c *Control) Serve(ctx context.Context, l net.Listener) error {
	requests, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &http.Server{
		Handler:           c.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 16, // a filter may name a thousand IDs
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	return serveUntil(ctx, s, l, cancel)
}

// serveUntil runs s on l until ctx ends, then gives what is under way two seconds.
func serveUntil(ctx context.Context, s *http.Server, l net.Listener, stopping func()) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		stopping()
		limit, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if s.Shutdown(limit) != nil {
			_ = s.Close() // what does not end in time is cut
		}
	})
	err := s.Serve(l)
	if stop() { // ctx has not ended: the listener failed
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	<-stopped
	return nil
}

// answer makes a handler of a function that returns what is to be sent as JSON.
func answer[T any](call func(r *http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := call(r)
		if err != nil {
			writeProblem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the caller has gone if this fails
	}
}

// filter reads the request's filter; others are the names in its query that are not part of it.
func (c *Control) filter(r *http.Request, others ...string) (Filter, queue.Filter, error) {
	f, err := filterFrom(r.URL.Query(), others...)
	if err != nil {
		return f, queue.Filter{}, badRequest(err)
	}
	q, err := f.queueFilter(c.Relay.SiteDomains)
	if err != nil {
		return f, q, badRequest(err)
	}
	return f, q, nil
}

// list writes items as they come, so that a queue of millions needs no memory. An error in the middle is
// the last line, a Problem in the member "error": the status has been sent by then.
func (c *Control) list(w http.ResponseWriter, r *http.Request) {
	_, f, err := c.filter(r, "limit")
	if err != nil {
		writeProblem(w, err)
		return
	}
	limit, err := number(r.URL.Query(), "limit", 0)
	if err != nil {
		writeProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	buffered := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffered)
	for item, err := range items(r.Context(), c.Relay.List(r.Context(), f, limit)) {
		if err != nil {
			_ = lines.Encode(listLine{Error: problemOf(err)})
			break
		}
		if lines.Encode(item) != nil {
			return // the caller has gone
		}
	}
	_ = buffered.Flush()
}

// listLine is a line of a list, for whom it is an error.
type listLine struct {
	Error *Problem `json:"error,omitempty"`
}

func (c *Control) count(r *http.Request) (Count, error) {
	_, f, err := c.filter(r)
	if err != nil {
		return Count{}, err
	}
	counts, err := c.Relay.Count(r.Context(), f)
	return countOf(counts), err
}

// act changes what matches. An empty filter must be meant, where the act cannot be taken back.
func (c *Control) act(r *http.Request) (ActResult, error) {
	act := Act(r.PathValue("act"))
	given, f, err := c.filter(r, "all", "reason")
	if err != nil {
		return ActResult{}, err
	}
	query := r.URL.Query()
	if given.Empty() && act.Final() && query.Get("all") != "true" {
		return ActResult{}, problem(http.StatusBadRequest, "this would "+string(act)+" the whole queue: give a filter, or say all")
	}
	changed, err := c.do(r.Context(), act, f, query.Get("reason"))
	return ActResult{Recipients: changed.Recipients, Skipped: changed.Skipped}, err
}

func (c *Control) do(ctx context.Context, act Act, f queue.Filter, reason string) (queue.Changed, error) {
	switch act {
	case Retry:
		return c.Relay.Retry(ctx, f)
	case Hold:
		return c.Relay.Hold(ctx, f)
	case Release:
		return c.Relay.Resume(ctx, f)
	case Drop:
		return c.Relay.Drop(ctx, f)
	case Bounce:
		if len(reason) > 200 {
			return queue.Changed{}, problem(http.StatusBadRequest, "reason: longer than 200 bytes")
		}
		return c.Relay.Bounce(ctx, f, reason)
	}
	return queue.Changed{}, problem(http.StatusNotFound, "no such act: want retry, hold, release, drop or bounce")
}

// Act is what an operator does to a part of the queue.
type Act string

// The acts.
const (
	Retry   Act = "retry"
	Hold    Act = "hold"
	Release Act = "release"
	Drop    Act = "drop"
	Bounce  Act = "bounce"
)

// Final tells whether the act cannot be taken back.
func (a Act) Final() bool { return a == Drop || a == Bounce }

func (c *Control) audit(r *http.Request) (Audit, error) {
	a, err := c.Relay.Audit(r.Context())
	return auditOf(a), err
}

func (c *Control) trace(w http.ResponseWriter, r *http.Request) {
	if c.Tools.Trace == nil {
		writeProblem(w, errNotOffered)
		return
	}
	id, err := message.ParseID(r.PathValue("id"))
	if err != nil {
		writeProblem(w, badRequest(err))
		return
	}
	out := &textWriter{w: w}
	out.end(c.Tools.Trace(r.Context(), out, id))
}

func (c *Control) resolve(w http.ResponseWriter, r *http.Request) {
	if c.Tools.Resolve == nil {
		writeProblem(w, errNotOffered)
		return
	}
	domain, err := message.ParseDomain(r.PathValue("domain"), true)
	if err != nil {
		writeProblem(w, badRequest(err))
		return
	}
	out := &textWriter{w: w}
	out.end(c.Tools.Resolve(r.Context(), out, domain))
}

var errNotOffered = problem(http.StatusNotImplemented, "this daemon does not offer it")

// textWriter is a text answer whose status is decided by what comes first, text or an error.
type textWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (t *textWriter) Write(p []byte) (int, error) {
	if !t.begun {
		t.begun = true
		t.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	return t.w.Write(p)
}

func (t *textWriter) end(err error) {
	switch {
	case err == nil:
	case t.begun:
		fmt.Fprintf(t.w, "\nerror: %v\n", err)
	default:
		writeProblem(t.w, err)
	}
}

// done is the answer of calls that return nothing.
type done struct{}

func (c *Control) backup(r *http.Request) (done, error) {
	dir := r.URL.Query().Get("dir")
	if dir == "" {
		return done{}, problem(http.StatusBadRequest, "dir: where to?")
	}
	return done{}, c.Relay.Backup(r.Context(), dir)
}

// reloaded is the answer of a reload.
type reloaded struct {
	// Restart are settings that have changed and wait for a restart.
	Restart []string `json:"restart,omitempty"`
}

func (c *Control) reload(r *http.Request) (reloaded, error) {
	if c.Tools.Reload == nil {
		return reloaded{}, errNotOffered
	}
	restart, err := c.Tools.Reload(r.Context())
	if err != nil {
		return reloaded{}, problem(http.StatusUnprocessableEntity, err.Error())
	}
	return reloaded{restart}, nil
}

// number reads a number of a query that is not below 0; other if it is not given.
func number(v url.Values, name string, other int) (int, error) {
	s := v.Get(name)
	if s == "" {
		return other, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, badRequest(fmt.Errorf("%s: %w", name, errors.New("want a number")))
	}
	return n, nil
}
