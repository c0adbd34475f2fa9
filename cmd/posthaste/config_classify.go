package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/classify"
)

// Classify is what refusals mean. `posthaste classify` tells of one reply, or of all classes.
type Classify struct {
	// File has rules that come before ours; policy/classify/rules/README.md tells their form.
	File    string       `toml:"file"`
	Actions ClassActions `toml:"actions"`
}

// ClassActions are what each class calls for. Only what is about the recipient may count as a bounce of theirs.
type ClassActions struct {
	Unknown          string `toml:"unknown" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	BadMailbox       string `toml:"bad-mailbox" enum:"follow-code,retry-soon,slow-down,mend-sending,count-bounce"`
	BadDomain        string `toml:"bad-domain" enum:"follow-code,retry-soon,slow-down,mend-sending,count-bounce"`
	FullMailbox      string `toml:"full-mailbox" enum:"follow-code,retry-soon,slow-down,mend-sending,count-bounce"`
	Greylisted       string `toml:"greylisted" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	RateOrReputation string `toml:"rate-or-reputation" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	Content          string `toml:"content" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	PolicyOrAuth     string `toml:"policy-or-auth" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	Protocol         string `toml:"protocol" enum:"follow-code,retry-soon,slow-down,mend-sending"`
	Network          string `toml:"network" enum:"follow-code,retry-soon,slow-down,mend-sending"`
}

// each goes over the classes; a key of the file has the name of its class.
func (a *ClassActions) each(f func(class classify.Class, action *string)) {
	v := reflect.ValueOf(a).Elem()
	for i := range v.NumField() {
		f(classify.Of(v.Type().Field(i).Tag.Get("toml")), v.Field(i).Addr().Interface().(*string))
	}
}

func defaultClassify() (c Classify) {
	c.Actions.each(func(class classify.Class, action *string) { *action = class.Action().String() })
	return c
}

// maxRuleFile bounds what is read.
const maxRuleFile = 4 << 20

// table makes the table of the operator's rules, ours behind them, and the actions. An error about a rule begins
// with file and line.
func (c *Classify) table() (*classify.Table, error) {
	files, err := classify.BuiltinFiles()
	if err != nil {
		return nil, err
	}
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		text := new(bytes.Buffer)
		if _, err := text.ReadFrom(&limitedFile{f, maxRuleFile}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.File, err)
		}
		files = append([]classify.File{{Name: c.File, Text: text.String()}}, files...)
	}
	table, err := classify.New(files...)
	if err != nil {
		return nil, err
	}
	actions := map[classify.Class]classify.Action{}
	c.Actions.each(func(class classify.Class, name *string) {
		var action classify.Action
		if bad := action.UnmarshalText([]byte(*name)); bad != nil && err == nil {
			err = bad
		}
		actions[class] = action
	})
	if err != nil {
		return nil, err
	}
	return table.With(actions)
}

// classify checks [classify]. The enum tags have seen the actions.
func (c *checker) classify() {
	only := Classify{File: c.cfg.Classify.File, Actions: defaultClassify().Actions}
	if _, err := only.table(); err != nil {
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			c.fail("classify.file", "%s", problem)
		}
	}
}
