// Command posthaste is an outbound mail relay: it takes mail in over SMTP, keeps it safely on
// disk, and delivers it to each receiver as fast as that one takes it.
//
// One file holds one command; cli.go lists them. This is also the only package that knows the
// configuration file (config.go) and the only one that puts the engines together (wire.go).
package main

import (
	"io"
	"os"
	"path/filepath"
)

// process is what a command has of the world outside.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	p := process{os.Stdin, os.Stdout, os.Stderr}
	os.Exit(run(p, os.Args))
}

// run picks the command by the program's name, so that links named sendmail and mailq take the place
// of those programs, or else by the first argument.
func run(p process, args []string) (exitCode int) {
	switch filepath.Base(args[0]) {
	case "sendmail":
		return sendmail(p, args[1:])
	case "mailq":
		return sendmail(p, append([]string{"-bp"}, args[1:]...))
	default:
		return runCLI(p, args[1:])
	}
}
