package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Summary is a relay in a scenario over all rounds: each figure is the median of its own.
type Summary struct {
	Scenario  string  `json:"scenario"`
	Relay     string  `json:"relay"`
	Runs      int     `json:"runs"`
	Accepted  float64 `json:"accepted_per_second"`
	Delivered float64 `json:"delivered_per_second"`
	MB        float64 `json:"mb_per_second"`
	Answer50  float64 `json:"answered_p50"`
	Answer99  float64 `json:"answered_p99"`
	Answer999 float64 `json:"answered_p999"`
	Deliver50 float64 `json:"delivered_p50"`
	Deliver99 float64 `json:"delivered_p99"`
	CPU       float64 `json:"cpu_per_1000"`
	PSS       float64 `json:"peak_pss"`
	RSS       float64 `json:"peak_rss"`
	Written   float64 `json:"written_per_message"`
	Missing   int64   `json:"missing"` // over all rounds
	Doubled   int64   `json:"doubled"`
	Damaged   int64   `json:"damaged"` // corrupted, mixed, delivered though refused, to strangers
	Trouble   string  `json:"trouble,omitempty"`

	// Timed tells that the load's tool measured latencies at all; smtp-source does not.
	Timed bool `json:"timed"`

	Curve  [][2]float64 `json:"-"` // of the 250, of the last round
	Series []Point      `json:"-"`
}

// Ratio is the first relay beside another one in a scenario: how many times better it is.
type Ratio struct {
	Scenario  string  `json:"scenario"`
	Of        string  `json:"of"`
	To        string  `json:"to"`
	Delivered float64 `json:"delivered"` // rate over rate; 0: cannot be told
	CPU       float64 `json:"cpu"`       // the other's CPU per message over ours
	Answer99  float64 `json:"answered_p99"`
	PSS       float64 `json:"peak_pss"`
}

// Summaries are in the order of the first runs.
func (r *Report) Summaries() []Summary {
	type key struct{ scenario, relay string }
	groups, order := map[key][]*Result{}, []key(nil)
	for i := range r.Results {
		k := key{r.Results[i].Scenario, r.Results[i].Relay}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], &r.Results[i])
	}
	var list []Summary
	for _, k := range order {
		list = append(list, summarize(groups[k]))
	}
	return list
}

func summarize(runs []*Result) Summary {
	median := func(of func(*Result) float64) float64 {
		var v []float64
		for _, r := range runs {
			v = append(v, of(r))
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	last := runs[len(runs)-1]
	s := Summary{
		Scenario: last.Scenario, Relay: last.Relay, Runs: len(runs),
		Accepted:  median(func(r *Result) float64 { return r.AcceptedPerSecond }),
		Delivered: median(func(r *Result) float64 { return r.DeliveredPerSecond }),
		MB:        median(func(r *Result) float64 { return r.MBPerSecond }),
		Answer50:  median(func(r *Result) float64 { return r.Answered.P50 }),
		Answer99:  median(func(r *Result) float64 { return r.Answered.P99 }),
		Answer999: median(func(r *Result) float64 { return r.Answered.P999 }),
		Deliver50: median(func(r *Result) float64 { return r.Delivered.P50 }),
		Deliver99: median(func(r *Result) float64 { return r.Delivered.P99 }),
		CPU:       median(func(r *Result) float64 { return r.CPUPerThousand }),
		PSS:       median(func(r *Result) float64 { return float64(r.PeakPSS) }),
		RSS:       median(func(r *Result) float64 { return float64(r.PeakRSS) }),
		Written:   median(func(r *Result) float64 { return r.WrittenPerMessage }),
		Timed:     last.Answered.Count > 0,
		Curve:     last.Answered.Curve, Series: last.Series,
	}
	var troubles []string
	for _, r := range runs {
		t := r.Tally
		s.Missing += t.Lost
		s.Doubled += t.Doubled
		s.Damaged += t.Corrupted + t.Mixed + t.AfterRefusal + t.Strangers
		if r.Trouble != "" && !slices.Contains(troubles, r.Trouble) {
			troubles = append(troubles, r.Trouble)
		}
	}
	s.Trouble = strings.Join(troubles, " | ")
	return s
}

func (s *Summary) ms(seconds float64) string {
	if !s.Timed {
		return "-"
	}
	return ms(seconds)
}

// Latencies are those of the table's columns, for the page.
func (s Summary) Latencies() []string {
	return []string{s.ms(s.Answer50), s.ms(s.Answer99), s.ms(s.Answer999), s.ms(s.Deliver50), s.ms(s.Deliver99)}
}

// Ratios compares the first relay of each scenario with the others in it.
func (r *Report) Ratios() []Ratio {
	var list []Ratio
	var first *Summary
	for _, s := range r.Summaries() {
		if first == nil || first.Scenario != s.Scenario {
			first = &s
			continue
		}
		list = append(list, Ratio{
			Scenario: s.Scenario, Of: first.Relay, To: s.Relay,
			Delivered: over(first.Delivered, s.Delivered), CPU: over(s.CPU, first.CPU),
			Answer99: over(s.Answer99, first.Answer99), PSS: over(s.PSS, first.PSS),
		})
	}
	return list
}

func over(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

func times(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fx", f)
}

// WriteTable writes the summaries, and the ratios if there is anything to compare, for a terminal.
func (r *Report) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%d cores, %s, %s\n", r.Machine.Cores, r.Machine.CPU, size(r.Machine.Memory))
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\trelay\taccepted/s\tdelivered/s\tMB/s\t250 p50\tp99\tp99.9\tdelivery p50\tp99\tCPU s/1000\tPSS\twritten\tmissing\tdoubled\tdamaged\t")
	list := r.Summaries()
	for _, s := range list {
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%.0f\t%.1f\t%s\t%s\t%s\t%s\t%s\t%.3f\t%s\t%s\t%d\t%d\t%d\t\n", s.Scenario, s.Relay,
			s.Accepted, s.Delivered, s.MB, s.ms(s.Answer50), s.ms(s.Answer99), s.ms(s.Answer999), s.ms(s.Deliver50), s.ms(s.Deliver99),
			s.CPU, size(int64(s.PSS)), size(int64(s.Written)), s.Missing, s.Doubled, s.Damaged)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.writeSpecial(w)
	for _, c := range r.Contrasts() {
		fmt.Fprintf(w, "%s on %s: %s\n", c.Scenario, c.Relay, c.Text())
	}
	for _, c := range r.SigningCosts() {
		fmt.Fprintf(w, "%s on %s: the signatures cost %.3f CPU s per 1,000 messages over %s\n", c.Scenario, c.Relay, c.CPU, c.Over)
	}
	for _, s := range list {
		if s.Trouble != "" {
			fmt.Fprintf(w, "! %s on %s: %s\n", s.Scenario, s.Relay, strings.TrimSpace(s.Trouble))
		}
	}
	return r.writeRatios(w)
}

func (r *Report) writeRatios(w io.Writer) error {
	ratios := r.Ratios()
	if len(ratios) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nhow many times better the first is than the second:")
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\tfirst\tsecond\tdelivery rate\tCPU per message\tp99 of the 250\tmemory\t")
	for _, q := range ratios {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", q.Scenario, q.Of, q.To, times(q.Delivered), times(q.CPU), times(q.Answer99), times(q.PSS))
	}
	return t.Flush()
}

// writeSpecial writes what only some scenarios measure.
func (r *Report) writeSpecial(w io.Writer) {
	for i := range r.Results {
		for _, line := range r.Results[i].special() {
			fmt.Fprintf(w, "%s on %s: %s\n", r.Results[i].Scenario, r.Results[i].Relay, line)
		}
	}
}

// special tells in words what only some scenarios measure.
func (r *Result) special() []string {
	var lines []string
	if r.PerRoundTrip > 0 {
		lines = append(lines, fmt.Sprintf("%.2f messages a round trip", r.PerRoundTrip))
	}
	if d := r.Disk; d != nil {
		lines = append(lines, fmt.Sprintf("append and fdatasync p50 %s p99 %s (over written blocks p50 %s); the 250 takes %.2f times the p50 of the append",
			ms(d.P50), ms(d.P99), ms(d.AgainP50), d.Ratio))
	}
	lines = append(lines, r.Mailbox.lines()...)
	if b := r.Backlog; b != nil {
		lines = append(lines, fmt.Sprintf("%d queued on %s of disk (%.2f of the content) beside %s of event log, RSS %s; stopped in %.1f s", b.Queued, size(b.DiskUse), b.DiskRatio, size(b.LogUse), size(b.RSS), b.StopDuration),
			fmt.Sprintf("after the restart: first 250 in %s, first retry in %s, all delivered in %.1f s (%.0f/s), RSS %s", ms(b.FirstAnswer), ms(b.FirstRetry), b.Drained, b.DrainPerSec, size(b.RestartRSS)))
	}
	return lines
}
