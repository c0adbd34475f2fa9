package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/queue"
)

// StatsAges are the upper bounds of the age columns of Stats; the last column is everything older.
var StatsAges = [...]time.Duration{
	5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour, 72 * time.Hour,
}

// Stats shows where mail piles up: recipients by name and by age, as Postfix's qshape does.
type Stats struct {
	By    string     `json:"by"` // domain, sender or tenant
	Total StatsRow   `json:"total"`
	Rows  []StatsRow `json:"rows"` // the largest first
	// More is how many names were left out of Rows.
	More int `json:"more"`
}

// StatsRow is one name's share of the queue.
type StatsRow struct {
	Name       string `json:"name"`
	Recipients int64  `json:"recipients"`
	Ready      int64  `json:"ready"`
	Waiting    int64  `json:"waiting"`
	Held       int64  `json:"held"`
	Delivering int64  `json:"delivering"`
	// Ages are the recipients by age, one more than StatsAges.
	Ages [len(StatsAges) + 1]int64 `json:"ages"`
	// Oldest is the age of the oldest in seconds.
	Oldest int64 `json:"oldest_seconds"`
}

// maxStatsNames bounds how many names are told apart; the mail of more is counted in one row.
const (
	maxStatsNames   = 100_000
	statsOthersName = "(others)"
)

func (c *Control) stats(r *http.Request) (Stats, error) {
	_, f, err := c.filter(r, "by", "top")
	if err != nil {
		return Stats{}, err
	}
	query := r.URL.Query()
	top, err := number(query, "top", 20)
	if err != nil {
		return Stats{}, err
	}
	by := query.Get("by")
	if by == "" {
		by = "domain"
	}
	name, ok := statsNames[by]
	if !ok {
		return Stats{}, problem(http.StatusBadRequest, "by: want domain, sender or tenant")
	}
	tally := statsTally{name: name, rows: make(map[string]*StatsRow), now: time.Now()}
	for e, err := range c.Relay.List(r.Context(), f, 0) {
		if err != nil {
			return Stats{}, fmt.Errorf("stats: %w", err)
		}
		tally.add(&e)
	}
	return tally.stats(by, top), nil
}

// statsNames are what rows may be made by.
var statsNames = map[string]func(*queue.Entry) string{
	"domain": func(e *queue.Entry) string { return e.Domain },
	"sender": func(e *queue.Entry) string {
		if e.Sender == "" {
			return nullSender
		}
		return message.DomainOf(e.Sender)
	},
	"tenant": func(e *queue.Entry) string { return e.Tenant },
}

type statsTally struct {
	name  func(*queue.Entry) string
	now   time.Time
	total StatsRow
	rows  map[string]*StatsRow
}

func (t *statsTally) add(e *queue.Entry) {
	name := t.name(e)
	row := t.rows[name]
	if row == nil {
		if len(t.rows) >= maxStatsNames {
			name = statsOthersName
			row = t.rows[name]
		}
		if row == nil {
			row = &StatsRow{Name: name}
			t.rows[name] = row
		}
	}
	age := max(t.now.Sub(e.Arrived), 0)
	row.add(e.State, age)
	t.total.add(e.State, age)
}

func (r *StatsRow) add(state queue.State, age time.Duration) {
	r.Recipients++
	switch state {
	case queue.Active:
		r.Ready++
	case queue.Waiting:
		r.Waiting++
	case queue.OnHold:
		r.Held++
	case queue.InFlight:
		r.Delivering++
	}
	column := 0
	for column < len(StatsAges) && age >= StatsAges[column] {
		column++
	}
	r.Ages[column]++
	r.Oldest = max(r.Oldest, int64(age/time.Second))
}

func (t *statsTally) stats(by string, top int) Stats {
	s := Stats{By: by, Total: t.total, Rows: make([]StatsRow, 0, len(t.rows))}
	s.Total.Name = "TOTAL"
	for _, row := range t.rows {
		s.Rows = append(s.Rows, *row)
	}
	slices.SortFunc(s.Rows, func(a, b StatsRow) int {
		return cmp.Or(cmp.Compare(b.Recipients, a.Recipients), cmp.Compare(a.Name, b.Name))
	})
	if top > 0 && len(s.Rows) > top {
		s.More = len(s.Rows) - top
		s.Rows = s.Rows[:top]
	}
	return s
}
