// Package bench measures relays: it loads one with messages, receives what it delivers in a small
// world, and reports rates, latencies, CPU, memory, disk, and by its oracle what was lost or
// doubled. The relay under test is always a process of its own.
//
// A run reads top down: options.go (what is asked), scenario.go (the questions), run.go (one
// scenario on one relay) with load.go, world, oracle.go and measure.go around it, then report.go.
// Relays are in posthaste.go, postfix.go (with opendkim.go), exim.go and opensmtpd.go.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Options is what `posthaste bench` is asked for.
type Options struct {
	// Binary is the posthaste to measure.
	Binary string
	// Addr measures a relay that runs already instead, as far as that can be seen from outside.
	Addr string
	// Scenarios are names; empty: all but backlog; "all": all.
	Scenarios []string
	// Messages, Sessions, Size and Rate replace the scenarios' own; 0 keeps them.
	Messages, Sessions, Size int
	Rate                     float64
	// Domains and Sites replace the scenarios' own size of the world; 0 keeps them.
	Domains, Sites int
	// Delay is put before each reply of the receiving hosts; TempFail and Reject are fractions of
	// recipients that they answer 451 and 550. 0 keeps the scenarios' own.
	Delay            time.Duration
	TempFail, Reject float64
	// Connections replaces how many the relay may open to one site; 0 keeps the scenarios' own.
	Connections int
	// Pipelining makes the load send MAIL, RCPT and DATA in one write.
	Pipelining bool
	// LoadTool and SinkTool are "" for the built-in ones, or "smtp-source" and "smtp-sink" (both together).
	LoadTool, SinkTool string
	// Only leaves out posthaste itself, so that Peers alone are measured.
	Only bool
	// Peers are relays to compare with: postfix, exim, opensmtpd, and straight for no relay at all.
	Peers []string
	// Rounds is how often each relay has its turn in each scenario; 0 means 1.
	Rounds int
	// Dir is where queues are made: on the disk that matters, and within reach of other users, for
	// some peers run as their own. "" is /var/tmp.
	Dir string
	// Keep leaves the relays' folders behind for a look.
	Keep bool
	// Seed repeats random manners.
	Seed uint64
	// Extra is appended to posthaste's configuration.
	Extra string
	// Progress shows a bar on a terminal; nil shows none.
	Progress io.Writer
	// Lines gets one line a run as it ends; nil gets none.
	Lines io.Writer

	senders *senders // of the last load that had any: the next is often the same
}

// Run measures one relay, and its peers if any, in all scenarios, in turns: A B A B. It goes on
// after a run that failed and returns the report with all errors joined.
func Run(ctx context.Context, opts Options) (*Report, error) {
	opts.setDefaults()
	scenarios, err := FindScenarios(opts.Scenarios)
	if err != nil {
		return nil, err
	}
	subjects, missing, err := opts.subjects()
	if err != nil {
		return nil, err
	}
	rep := newReport(&opts)
	rep.Missing = missing
	for _, m := range missing {
		opts.line("left out: %s", m)
	}
	var errs []error
	for i := range scenarios {
		opts.adapt(&scenarios[i])
	}
	rep.Scenarios = scenarios
	for round := range opts.Rounds { // outside, so that scenarios that are put beside each other take turns too
		for _, sc := range scenarios {
			for _, s := range subjects {
				if _, ok := s.(preparer); !ok && sc.Inlet != (Inlet{}) {
					continue
				}
				if err := canSign(s, sc); err != nil {
					if round == 0 {
						rep.Missing = append(rep.Missing, err.Error())
						opts.line("left out of %s: %v", sc.Name, err)
					}
					continue
				}
				if ctx.Err() != nil {
					return rep, errors.Join(append(errs, ctx.Err())...)
				}
				res, err := opts.once(ctx, sc, s)
				res.Round = round + 1
				if err != nil {
					err = fmt.Errorf("%s on %s: %w", sc.Name, s.Name(), err)
					errs = append(errs, err)
					res.Trouble = err.Error() + " " + res.Trouble
				}
				rep.Results = append(rep.Results, res)
				opts.line("%s", res.Line())
			}
		}
	}
	return rep, errors.Join(errs...)
}

func (o *Options) once(ctx context.Context, sc Scenario, s Subject) (Result, error) {
	if o.LoadTool != "" {
		return runTools(ctx, o, sc, s)
	}
	return runScenario(ctx, o, sc, s)
}

func (o *Options) setDefaults() {
	o.Rounds = max(1, o.Rounds)
	if o.Dir == "" {
		o.Dir = "/var/tmp"
	}
	if o.Binary == "" {
		o.Binary, _ = os.Executable()
	}
}

// subjects are the relays in the order of their turns, and what is missing of the peers.
func (o *Options) subjects() (list []Subject, missing []string, err error) {
	if o.LoadTool+o.SinkTool != "" && (o.LoadTool != "smtp-source" || o.SinkTool != "smtp-sink") {
		return nil, nil, errors.New("load smtp-source and sink smtp-sink go together, for neither tells the oracle what it did")
	}
	if o.LoadTool != "" {
		if err := toolsAvailable(); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case o.Only:
	case o.Addr != "":
		list = append(list, &External{Addr: o.Addr})
	default:
		p := &Posthaste{Binary: o.Binary, Extra: o.Extra}
		if err := p.Available(); err != nil {
			return nil, nil, err
		}
		list = append(list, p)
	}
	for _, name := range o.Peers {
		i := slices.IndexFunc(peers(), func(s Subject) bool { return s.Name() == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("no peer %q; there are postfix, exim, opensmtpd and straight", name)
		}
		s := peers()[i]
		if err := s.Available(); err != nil {
			missing = append(missing, err.Error())
			continue
		}
		list = append(list, s)
	}
	return list, missing, nil
}

// peers are all relays that posthaste can be compared with.
func peers() []Subject { return []Subject{Postfix{}, Exim{}, OpenSMTPD{}, Straight{}} }

// adapt puts the options into a scenario.
func (o *Options) adapt(sc *Scenario) {
	replace(&sc.Load.Messages, o.Messages)
	replace(&sc.Load.Sessions, o.Sessions)
	replace(&sc.Load.Size, o.Size)
	replace(&sc.Load.Rate, o.Rate)
	replace(&sc.Load.Domains, o.Domains)
	replace(&sc.Sites, o.Sites)
	replace(&sc.Connections, o.Connections)
	replace(&sc.Manner.Delay, o.Delay)
	replace(&sc.Manner.TempFail, o.TempFail)
	replace(&sc.Manner.Reject, o.Reject)
	sc.Load.Pipelining = sc.Load.Pipelining || o.Pipelining
}

// replace sets a value if there is another.
func replace[T comparable](value *T, by T) {
	var none T
	if by != none {
		*value = by
	}
}

func (o *Options) line(format string, args ...any) {
	if o.Lines != nil {
		fmt.Fprintf(o.Lines, format+"\n", args...)
	}
}

// bar is a progress bar, or nothing.
type bar struct{ p *progressbar.ProgressBar }

func (o *Options) bar(what string, total int64) bar {
	if o.Progress == nil {
		return bar{}
	}
	return bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(o.Progress),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (b bar) set(n int64) {
	if b.p != nil {
		_ = b.p.Set64(n)
	}
}

func (b bar) done() {
	if b.p != nil {
		_ = b.p.Clear()
	}
}

// WriteJSON writes the report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		*Report
		Contrasts []Contrast `json:"contrasts,omitempty"`
	}{r, r.Contrasts()})
}
