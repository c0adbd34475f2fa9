//go:build interop

package main

import (
	"fmt"
	"strings"
	"testing"
)

// sinkManner is a way that smtp-sink behaves, and what has to become of mail for it.
type sinkManner struct {
	name  string
	flags []string
	sizes []int  // of the messages; one small one if empty
	want  string // "delivered", or the end of the first attempt as event.String shows it
}

var sinkManners = []sinkManner{
	{"plain", nil, []int{100, 100, 100, 100, 100}, "delivered"},
	{"lockstep", []string{"-p"}, []int{100, 100, 100}, "delivered"},
	{"helo", []string{"-e"}, []int{100, 100}, "delivered"},
	{"pix", []string{"-P"}, []int{100, 100}, "delivered"},
	{"bare", []string{"-8", "-a", "-C", "-E", "-F", "-N"}, []int{100, 100}, "delivered"},
	{"slow", []string{"-w", "1"}, []int{100, 100}, "delivered"},
	{"window", []string{"-T", "2000", "-H", "1"}, []int{300_000, 100}, "delivered"},
	{"dot", []string{"-W", ".:1"}, []int{100, 100, 100}, "delivered"},
	{"twice", []string{"-n", "1"}, []int{100}, "delivered"},

	{"r-connect", []string{"-r", "CONNECT"}, nil, "deferred: 450 4.3.0 Error: command failed (to connect)"},
	{"r-ehlo", []string{"-r", "EHLO"}, nil, "deferred: 450 4.3.0 Error: command failed (to connect)"},
	{"r-mail", []string{"-r", "MAIL"}, nil, "deferred: 450 4.3.0 Error: command failed (to MAIL FROM)"},
	{"r-rcpt", []string{"-r", "RCPT"}, nil, "deferred: 450 4.3.0 Error: command failed (to RCPT TO)"},
	{"r-data", []string{"-r", "DATA"}, nil, "deferred: 450 4.3.0 Error: command failed (to DATA)"},
	{"r-dot", []string{"-r", "."}, nil, "deferred: 450 4.3.0 Error: command failed (to end of DATA)"},
	{"grey", []string{"-b", "451 4.7.1 Greylisting in action, come back in 0:05:00", "-r", "RCPT"}, nil,
		"deferred: 451 4.7.1 Greylisting in action, come back in 0:05:00 (to RCPT TO)"},

	{"f-connect", []string{"-f", "CONNECT"}, nil, "bounced: 500 5.3.0 Error: command failed (to connect)"},
	{"f-ehlo", []string{"-f", "EHLO"}, nil, "delivered"}, // by HELO
	{"f-mail", []string{"-f", "MAIL"}, nil, "bounced: 500 5.3.0 Error: command failed (to MAIL FROM)"},
	{"f-rcpt", []string{"-f", "RCPT"}, nil, "bounced: 500 5.3.0 Error: command failed (to RCPT TO)"},
	{"f-data", []string{"-f", "DATA"}, nil, "bounced: 500 5.3.0 Error: command failed (to DATA)"},
	{"f-dot", []string{"-f", "."}, nil, "bounced: 500 5.3.0 Error: command failed (to end of DATA)"},
	{"f-own", []string{"-B", "550 5.7.1 Not from you", "-f", "RCPT"}, nil, "bounced: 550 5.7.1 Not from you (to RCPT TO)"},

	{"q-connect", []string{"-q", "CONNECT"}, nil, "deferred: 451 4.4.2 "},
	{"q-ehlo", []string{"-q", "EHLO"}, nil, "deferred: 451 4.4.2 "},
	{"q-mail", []string{"-q", "MAIL"}, nil, "deferred: 451 4.4.2 "},
	{"q-rcpt", []string{"-q", "RCPT"}, nil, "deferred: 451 4.4.2 "},
	{"q-data", []string{"-q", "DATA"}, nil, "deferred: 451 4.4.2 "},
	{"q-dot", []string{"-q", "."}, nil, "deferred: 451 4.4.2 "},
	{"421-connect", []string{"-Q", "CONNECT"}, nil, "deferred: 421 4."},
	{"421-ehlo", []string{"-Q", "EHLO"}, nil, "deferred: 421 4."},
	{"421-mail", []string{"-Q", "MAIL"}, nil, "deferred: 421 4."},
	{"421-rcpt", []string{"-Q", "RCPT"}, nil, "deferred: 421 4."},
	{"421-data", []string{"-Q", "DATA"}, nil, "deferred: 421 4."},
	{"421-dot", []string{"-Q", "."}, nil, "deferred: 421 4."},
	{"abort", []string{"-A", "0"}, []int{3_000_000}, "bounced: 550 "},
}

// Each manner of smtp-sink, all at once: what is refused for good bounces with the sink's words, and
// everything else gets there, at the latest when the sink has come to its senses.
func TestInteropSinkManners(t *testing.T) {
	t.Parallel()
	source := program(t, "smtp-source")
	sinks := map[string]*sink{}
	var routes strings.Builder
	for _, m := range sinkManners {
		sinks[m.name] = startSink(t, m.flags...)
		fmt.Fprintf(&routes, "routes.%q = %q\n", m.name+".test", sinks[m.name].address())
	}
	home := startSink(t) // for the bounces
	r := startRelay(t, quickRetry+fmt.Sprintf("smart_host = %q\n", home.address())+routes.String())
	total := 0
	for _, m := range sinkManners {
		if len(m.sizes) == 0 {
			m.sizes = []int{100}
		}
		total += len(m.sizes)
		for i, size := range m.sizes {
			mustExecute(t, "", source, "-l", fmt.Sprint(size), "-f", "ann@sender.test", "-t", fmt.Sprintf("bob%d@%s.test", i, m.name), r.mx)
		}
	}
	bounced := 0
	for _, m := range sinkManners {
		kind, _, _ := strings.Cut(m.want, ":")
		rcpt := fmt.Sprintf("bob0@%s.test", m.name)
		e := r.await(t, kind, rcpt)
		if kind == "bounced" {
			bounced++
		}
		if kind != m.want && !strings.HasPrefix(e.String(), kind+" "+rcpt+strings.TrimPrefix(m.want, kind)) {
			t.Errorf("%s: got  %s\nwant %s", m.name, e, m.want)
		}
		if kind != "deferred" {
			continue
		}
		s := sinks[m.name]
		s.stop()
		s.heal(t)
		if e := r.await(t, "delivered", rcpt); e.Attempts < 2 {
			t.Errorf("%s: delivered by attempt %d", m.name, e.Attempts)
		}
	}
	r.awaitCount(t, "delivered", total) // without what bounced, with the bounces
	await(t, "the bounces", func() (bool, string) {
		n := len(home.mails(t))
		return n == bounced, fmt.Sprintf("%d of %d", n, bounced)
	})
}

// heal starts a well-behaved smtp-sink in the place of one that has been stopped.
func (s *sink) heal(t *testing.T) {
	t.Helper()
	args := s.cmd.Args
	s.child = spawn(t, args[0], append(healthy(args), s.address(), "100")...)
	awaitAddress(t, s.address(), s.child.output)
}

// healthy keeps the flags of smtp-sink that do not make its manners.
func healthy(args []string) (kept []string) {
	for i, a := range args {
		if a == "-u" || a == "-d" {
			kept = append(kept, a, args[i+1])
		}
	}
	return kept
}
