package smtptest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Script is a list of rules, one a line; the first that fits a command answers it. What no rule
// fits is answered as a well-behaved server would.
//
//	rule    = trigger "->" action *( "then" action )
//	trigger = word [ about ] [ "once" | "twice" | number "times" ]
//	word    = "greeting" | "EHLO" | "LHLO" | "MAIL" | "RCPT" | "DATA" | "DOT" | "BDAT" | any other command
//
// about restricts MAIL and RCPT to an address, and DATA, DOT and BDAT to transactions with that
// sender or recipient: the whole of it, or its local part. After LHLO, DOT is asked for each recipient. For other commands it is the argument.
// A rule with "once" and so on fits that often, over all connections. "#" starts a comment.
//
//	action  = code text     a reply; "|" divides its lines, each with its code: 250-a|250 b
//	                        (for EHLO and LHLO the lines are keywords: the server's name goes before them)
//	        | raw "…"       these bytes, a Go string
//	        | silence       no reply
//	        | take          record the message although no positive reply is given
//	        | drop | close  close the connection
//	        | reset         break it as a TCP RST does
//	        | stall         do nothing more until the server is closed
//	        | wait 50ms     pause with Server.Sleep
//	        | starttls      begin TLS with Server.TLS
type Script struct{ rules []*rule }

type rule struct {
	word, about string
	left        int // how often it still fits; -1 is always
	actions     []action
}

type action struct {
	verb  string // "reply", or one of those listed above
	text  string
	pause time.Duration
}

// ParseScript reads a script. Errors name the line.
func ParseScript(text string) (*Script, error) {
	s := &Script{}
	for n, line := range strings.Split(text, "\n") {
		if i := strings.Index(line, "#"); i >= 0 {
			line = line[:i]
		}
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, fmt.Errorf("smtptest: script line %d: %w", n+1, err)
		}
		s.rules = append(s.rules, r)
	}
	return s, nil
}

func parseRule(line string) (*rule, error) {
	trigger, actions, ok := strings.Cut(line, "->")
	if !ok {
		return nil, fmt.Errorf("no \"->\" in %q", line)
	}
	r := &rule{left: -1}
	words := strings.Fields(trigger)
	words, r.left = cutTimes(words)
	if len(words) == 0 || len(words) > 2 {
		return nil, fmt.Errorf("trigger %q is not a command and what it is about", trigger)
	}
	r.word = strings.ToUpper(words[0])
	if len(words) == 2 {
		r.about = words[1]
	}
	for _, a := range strings.Split(actions, " then ") {
		act, err := parseAction(strings.TrimSpace(a))
		if err != nil {
			return nil, err
		}
		r.actions = append(r.actions, act)
	}
	return r, nil
}

// cutTimes takes "once", "twice" or "n times" off the end.
func cutTimes(words []string) ([]string, int) {
	n := len(words)
	switch {
	case n > 1 && words[n-1] == "once":
		return words[:n-1], 1
	case n > 1 && words[n-1] == "twice":
		return words[:n-1], 2
	case n > 2 && words[n-1] == "times":
		if times, err := strconv.Atoi(words[n-2]); err == nil {
			return words[:n-2], times
		}
	}
	return words, -1
}

func parseAction(s string) (action, error) {
	verb, rest, _ := strings.Cut(s, " ")
	rest = strings.TrimSpace(rest)
	switch verb {
	case "silence", "take", "drop", "close", "reset", "stall", "starttls":
		if rest != "" {
			return action{}, fmt.Errorf("%q takes nothing behind it", verb)
		}
		return action{verb: verb}, nil
	case "wait":
		d, err := time.ParseDuration(rest)
		return action{verb: verb, pause: d}, err
	case "raw":
		text, err := strconv.Unquote(rest)
		if err != nil {
			return action{}, fmt.Errorf("raw wants a quoted Go string, not %s", rest)
		}
		return action{verb: verb, text: text}, nil
	}
	for _, line := range strings.Split(s, "|") {
		if len(line) < 3 || strings.Trim(line[:3], "0123456789") != "" {
			return action{}, fmt.Errorf("%q is neither an action nor a reply", s)
		}
	}
	return action{verb: "reply", text: s}, nil
}

// find returns the actions for a command about any of names, nil if no rule fits. The caller
// serialises calls.
func (s *Script) find(word string, names ...string) []action {
	for _, r := range s.rules {
		if r.word != word || r.left == 0 || !r.isAbout(names) {
			continue
		}
		if r.left > 0 {
			r.left--
		}
		return r.actions
	}
	return nil
}

func (r *rule) isAbout(names []string) bool {
	if r.about == "" {
		return true
	}
	for _, name := range names {
		local, _, _ := strings.Cut(name, "@")
		if name == r.about || local == r.about {
			return true
		}
	}
	return false
}
