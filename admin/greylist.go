package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/posthaste-mta/posthaste/policy/greylist"
)

// Greylist is what is remembered of clients that had to come again, as operators look at it and change it.
type Greylist interface {
	// Items yields what fits; of clients only the filter's network counts, of allowances nothing.
	Items(ctx context.Context, what GreylistPart, f greylist.Filter) iter.Seq2[GreylistItem, error]
	// Forget removes the triplets that fit, and, if the filter names a network or nothing, the clients.
	Forget(ctx context.Context, f greylist.Filter) (Forgotten, error)
	Allow(ctx context.Context, a greylist.Allowance) error
	// Disallow returns greylist.ErrNotFound if there is no such allowance.
	Disallow(ctx context.Context, kind greylist.Kind, name string) error
}

// GreylistPart is a part of what is remembered.
type GreylistPart string

// The parts.
const (
	GreylistTriplets GreylistPart = "triplets" // network, sender and recipient
	GreylistClients  GreylistPart = "clients"  // networks that have come back
	GreylistAllowed  GreylistPart = "allowed"  // whom an operator lets pass
)

// GreylistItem is an entry of any part; members that a part does not have are left out.
type GreylistItem struct {
	Network   string    `json:"network,omitempty"`
	Sender    *string   `json:"sender,omitempty"` // "" is the null sender
	Recipient string    `json:"recipient,omitempty"`
	Passes    bool      `json:"passes"` // need not wait
	Passed    int       `json:"passed,omitempty"`
	ReadyAt   time.Time `json:"ready_at,omitzero"` // of a triplet that waits
	Last      time.Time `json:"last,omitzero"`
	Until     time.Time `json:"until,omitzero"` // when it is forgotten
}

// Forgotten tells how much was.
type Forgotten struct {
	Triplets int64 `json:"triplets"`
	Clients  int64 `json:"clients"`
}

// LocalGreylist is the greylist itself.
type LocalGreylist struct{ *greylist.Greylist }

// Items implements Greylist.
func (g LocalGreylist) Items(_ context.Context, what GreylistPart, f greylist.Filter) iter.Seq2[GreylistItem, error] {
	return func(yield func(GreylistItem, error) bool) {
		switch what {
		case GreylistTriplets:
			for t, err := range g.Triplets(f) {
				item := GreylistItem{Network: t.Network.String(), Sender: &t.Sender, Recipient: t.Recipient, Passes: t.Passed,
					ReadyAt: t.ReadyAt, Last: t.Last, Until: t.Until}
				if !yield(item, err) {
					return
				}
			}
		case GreylistClients:
			for c, err := range g.Clients(f) {
				if !yield(GreylistItem{Network: c.Network.String(), Passes: c.Known, Passed: c.Passes, Last: c.Last, Until: c.Until}, err) {
					return
				}
			}
		case GreylistAllowed:
			for _, a := range g.Allowances() {
				if !yield(allowedItem(&a), nil) {
					return
				}
			}
		default:
			yield(GreylistItem{}, badRequest(errors.New("no such part of the greylist")))
		}
	}
}

func allowedItem(a *greylist.Allowance) GreylistItem {
	item := GreylistItem{Passes: true, Until: a.Until}
	switch a.Kind {
	case greylist.Sender:
		item.Sender = &a.Name
	case greylist.Recipient:
		item.Recipient = a.Name
	default:
		item.Network = a.Name
	}
	return item
}

// Forget implements Greylist.
func (g LocalGreylist) Forget(ctx context.Context, f greylist.Filter) (n Forgotten, err error) {
	n.Triplets, n.Clients, err = g.Greylist.Forget(ctx, f)
	return n, err
}

// greylistRoutes adds the calls about the greylist.
func (c *Control) greylistRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/greylist/{part}", c.greylistItems)
	mux.HandleFunc("POST /v1/greylist/forget", answer(func(r *http.Request) (Forgotten, error) {
		g, f, err := c.greylistCall(r)
		if err != nil {
			return Forgotten{}, err
		}
		return g.Forget(r.Context(), f)
	}))
	mux.HandleFunc("POST /v1/greylist/allow", answer(func(r *http.Request) (done, error) {
		g, _, err := c.greylistCall(r)
		a, bad := allowanceFrom(r.URL.Query())
		if err := errors.Join(err, bad); err != nil {
			return done{}, err
		}
		return done{}, greylistProblem(g.Allow(r.Context(), a))
	}))
	mux.HandleFunc("DELETE /v1/greylist/allow", answer(func(r *http.Request) (done, error) {
		g, _, err := c.greylistCall(r)
		a, bad := allowanceFrom(r.URL.Query())
		if err := errors.Join(err, bad); err != nil {
			return done{}, err
		}
		return done{}, greylistProblem(g.Disallow(r.Context(), a.Kind, a.Name))
	}))
}

// greylistItems writes items as they come, as list does.
func (c *Control) greylistItems(w http.ResponseWriter, r *http.Request) {
	g, f, err := c.greylistCall(r)
	if err != nil {
		writeProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	buffered := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(buffered)
	for item, err := range g.Items(r.Context(), GreylistPart(r.PathValue("part")), f) {
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

func (c *Control) greylistCall(r *http.Request) (Greylist, greylist.Filter, error) {
	if c.Tools.Greylist == nil {
		return nil, greylist.Filter{}, errNotOffered
	}
	q := r.URL.Query()
	f := greylist.Filter{Sender: q.Get("sender"), Recipient: q.Get("recipient"), Waiting: q.Get("waiting") == "true"}
	if n := q.Get("network"); n != "" {
		var err error
		if f.Network, err = netip.ParsePrefix(n); err != nil {
			return nil, f, badRequest(err)
		}
	}
	return c.Tools.Greylist, f, nil
}

func allowanceFrom(q url.Values) (a greylist.Allowance, err error) {
	a.Name = q.Get("name")
	if a.Kind, err = greylistKind(q.Get("kind")); err != nil {
		return a, badRequest(err)
	}
	if until := q.Get("until"); until != "" {
		if a.Until, err = time.Parse(time.RFC3339, until); err != nil {
			return a, badRequest(err)
		}
	}
	return a, nil
}

// greylistKind returns the kind of that name.
func greylistKind(name string) (greylist.Kind, error) {
	for _, k := range []greylist.Kind{greylist.Network, greylist.Sender, greylist.Recipient} {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, errors.New("want network, sender or recipient")
}

// greylistProblem gives an error of an allowance its status; nil stays nil.
func greylistProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, greylist.ErrNotFound):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, greylist.ErrTooMany):
		return problem(http.StatusConflict, err.Error())
	}
	return badRequest(err)
}
