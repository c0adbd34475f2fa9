package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/classify"
)

// classifyCmd is `posthaste classify`.
type classifyCmd struct {
	Reply []string `arg:"" help:"The reply as the host gave it: code, enhanced code, text."`
	JSON  bool     `name:"json" help:"Print JSON."`
}

// Help is the long help.
func (classifyCmd) Help() string {
	return `Tells what a host's refusal is about, which rule says so, and what it calls for. It asks no
daemon.

Examples:
  posthaste classify "550 5.1.1 The email account that you tried to reach does not exist"
  posthaste classify --json 451 4.7.1 Greylisted, come back in 5 minutes`
}

// classification is what --json prints.
type classification struct {
	Class     string `json:"class"`
	Action    string `json:"action"`
	Permanent bool   `json:"permanent"`
	Rule      string `json:"rule,omitempty"` // none knows the reply if absent
}

// Run classifies.
func (c *classifyCmd) Run(p process) error {
	status, err := classify.ParseReply(strings.Join(c.Reply, " "))
	if err != nil {
		return withCode(exitUsage, err)
	}
	table, err := classify.Builtin()
	if err != nil {
		return withCode(exitSoftware, err)
	}
	verdict := table.Classify(status)
	out := classification{
		Class: verdict.Class.String(), Action: verdict.Class.Action().String(), Permanent: status.Permanent(),
	}
	if verdict.Rule != nil {
		out.Rule = verdict.Rule.Place()
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(out)
	}
	end := "tried again by the schedule"
	if out.Permanent {
		end = "returned to the sender"
	}
	_, err = fmt.Fprintf(p.stdout, "class:  %s\nrule:   %s\naction: %s: %s\nmail:   %s\n",
		out.Class, orNone(out.Rule), out.Action, verdict.Class.Action().Words(), end)
	return err
}

func orNone(rule string) string {
	if rule == "" {
		return "none knows this reply"
	}
	return rule
}
