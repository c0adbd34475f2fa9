package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// versionCmd is `posthaste version`.
type versionCmd struct{}

// Run prints what the build recorded.
func (versionCmd) Run(p process) error {
	_, err := fmt.Fprintf(p.stdout, "posthaste %s, %s, %s/%s\nRSA signatures by %s\n",
		version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, dkim.RSAEngine())
	return err
}

// version names the build: the module's version, or the commit it was made from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if commit == "" {
		return "unknown"
	}
	return commit[:min(12, len(commit))] + dirty
}
