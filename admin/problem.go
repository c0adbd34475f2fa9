package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/posthaste-mta/posthaste/relay"
)

// Problem is an error as the control API tells it (RFC 9457).
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Error returns what went wrong, for people.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

func problem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// badRequest makes an error the caller's fault.
func badRequest(err error) *Problem {
	if errors.Is(err, errNoSuchSite) {
		return problem(http.StatusNotFound, err.Error())
	}
	return problem(http.StatusBadRequest, err.Error())
}

// problemOf puts any error in the form that is sent.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, relay.ErrNoTrace):
		return problem(http.StatusNotFound, err.Error())
	}
	return problem(http.StatusInternalServerError, err.Error())
}

func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone if this fails
}
