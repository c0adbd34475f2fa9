package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/posthaste-mta/posthaste/mailbox"
)

// Mail crosses the control socket as an mbox that keeps folders, flags and every byte. So the daemon needs no right to
// the files that mail is taken from or put in, nor the caller to those of the daemon.

// ImportedMail is what came of an import. Some messages may be stored although there is a problem.
type ImportedMail struct {
	Stored  int      `json:"stored"`
	Problem *Problem `json:"problem,omitempty"`
}

// exportMail sends all mail of a user.
func (c *Control) exportMail(w http.ResponseWriter, r *http.Request) {
	if c.Tools.Users == nil {
		writeProblem(w, errNoMailboxes())
		return
	}
	name := r.PathValue("name")
	if _, err := c.Tools.Users.Get(r.Context(), name); err != nil {
		writeProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/mbox")
	if _, err := mailbox.WriteMbox(w, c.Tools.Users.Export(r.Context(), name)); err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: only its end can tell
	}
}

// importMail takes mail for a user.
func (c *Control) importMail(r *http.Request) (in ImportedMail, err error) {
	if c.Tools.Users == nil {
		return in, errNoMailboxes()
	}
	name := r.PathValue("name")
	if _, err := c.Tools.Users.Get(r.Context(), name); err != nil {
		return in, err
	}
	if in.Stored, err = c.Tools.Users.Import(r.Context(), name, mailbox.ReadMbox(r.Body, 0)); err != nil {
		in.Problem = problemOf(err)
	}
	return in, nil
}

func errNoMailboxes() error {
	return problem(http.StatusNotImplemented, "there are no mailboxes: see mailbox.domains")
}

// Export implements Users.
func (r remoteUsers) Export(ctx context.Context, name string) iter.Seq2[mailbox.Item, error] {
	return func(yield func(mailbox.Item, error) bool) {
		body, err := r.call(ctx, http.MethodGet, userPath(name, "/mail"), nil)
		if err != nil {
			yield(mailbox.Item{}, err)
			return
		}
		defer body.Close()
		for item, err := range mailbox.ReadMbox(body, 0) {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("the daemon could not read on; its log tells why")
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// Import implements Users.
func (r remoteUsers) Import(ctx context.Context, name string, items iter.Seq2[mailbox.Item, error]) (int, error) {
	out, in := io.Pipe()
	var unread error // of items: what came before is stored all the same
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, err := mailbox.WriteMbox(in, func(yield func(mailbox.Item, error) bool) {
			for item, err := range items {
				if unread = err; err != nil || !yield(item, nil) {
					return
				}
			}
		})
		in.CloseWithError(err) // nil: the end
	}()
	body, err := r.send(ctx, http.MethodPost, userPath(name, "/mail"), nil, out)
	out.CloseWithError(io.ErrClosedPipe) // whoever answers early has read enough
	<-written
	if err != nil {
		return 0, errors.Join(err, unread)
	}
	defer body.Close()
	var done ImportedMail
	if err := json.NewDecoder(body).Decode(&done); err != nil {
		return 0, fmt.Errorf("control API: %w", err)
	}
	if done.Problem != nil {
		return done.Stored, done.Problem
	}
	return done.Stored, unread
}
