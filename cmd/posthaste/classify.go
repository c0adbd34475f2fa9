package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/posthaste-mta/posthaste/policy/classify"
)

// classifyCmd is `posthaste classify`.
type classifyCmd struct {
	Reply  []string `arg:"" optional:"" help:"The reply as the host gave it: code, enhanced code, text."`
	Table  bool     `help:"Print all classes and what each calls for."`
	JSON   bool     `name:"json" help:"Print JSON."`
	Config string   `short:"c" placeholder:"FILE" help:"Configuration with rules and actions of your own (default ${config}, if it is there)."`
}

// Help is the long help.
func (classifyCmd) Help() string {
	return `Tells what a host's refusal is about, which rule says so, and what it calls for, by the rules and
actions that [classify] in the configuration adds to the built-in ones. It asks no daemon.

Examples:
  posthaste classify "550 5.1.1 The email account that you tried to reach does not exist"
  posthaste classify --json 451 4.7.1 Greylisted, come back in 5 minutes
  posthaste classify --table`
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
	if c.Table == (len(c.Reply) > 0) {
		return withCode(exitUsage, errors.New("give a reply, or --table\nTry: posthaste classify --help"))
	}
	table, err := c.table(p)
	if err != nil {
		return err
	}
	if c.Table {
		return printClasses(p, table, c.JSON)
	}
	status, err := classify.ParseReply(strings.Join(c.Reply, " "))
	if err != nil {
		return withCode(exitUsage, err)
	}
	verdict := table.Classify(status)
	out := classification{Class: verdict.Class.String(), Action: verdict.Action.String(), Permanent: status.Permanent()}
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
		out.Class, orNone(out.Rule), out.Action, verdict.Action.Words(), end)
	return err
}

// table returns that of the configuration. Whoever may not read the one in the standard place, which may name
// secrets, gets the built-in table.
func (c *classifyCmd) table(p process) (*classify.Table, error) {
	cfg, err := configOrDefault(c.Config)
	if err != nil && c.Config == "" {
		fmt.Fprintf(p.stderr, "posthaste: without %s: %v\n", defaultConfigFile, err)
		cfg, err = DefaultConfig(), nil
	}
	if err != nil {
		return nil, err
	}
	table, err := cfg.Classify.table()
	if err != nil {
		return nil, withCode(exitSoftware, err)
	}
	return table, nil
}

// printClasses prints the table of classes.
func printClasses(p process, table *classify.Table, asJSON bool) error {
	if asJSON {
		all := map[string]string{}
		for c := range classify.NumClasses {
			all[c.String()] = table.Action(c).String()
		}
		return json.NewEncoder(p.stdout).Encode(all)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for c := range classify.NumClasses {
		action := table.Action(c)
		fmt.Fprintf(w, "%s\t%s\t%s\n", c, action, action.Words())
	}
	return w.Flush()
}

func orNone(rule string) string {
	if rule == "" {
		return "none knows this reply"
	}
	return rule
}
