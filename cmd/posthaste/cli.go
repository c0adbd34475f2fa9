package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the grammar of the command line. Each command is a struct with a Run method in the file
// of its name; its Help method holds examples.
type cli struct {
	Up         upCmd         `cmd:"" group:"Run" help:"Run a relay with a small world around it: nothing leaves the machine."`
	Serve      serveCmd      `cmd:"" group:"Run" help:"Run the relay."`
	Check      checkCmd      `cmd:"" group:"Run" help:"Check a configuration file and print the effective settings."`
	Version    versionCmd    `cmd:"" group:"Run" help:"Print the version."`
	Sendmail   sendmailCmd   `cmd:"" group:"Send" passthrough:"" help:"Submit a message, as the classic sendmail command."`
	Mailq      mailqCmd      `cmd:"" group:"Steer a running daemon" passthrough:"" help:"Print the queue as Postfix's mailq does."`
	Queue      queueCmd      `cmd:"" group:"Steer a running daemon" help:"List, show, retry, hold, release, drop or bounce queued mail."`
	Trace      traceCmd      `cmd:"" group:"Steer a running daemon" help:"Print the life of a message step by step."`
	Resolve    resolveCmd    `cmd:"" group:"Steer a running daemon" help:"Show where a domain's mail would go, and why."`
	Audit      auditCmd      `cmd:"" group:"Steer a running daemon" help:"Prove that accepted = ended + queued."`
	Reload     reloadCmd     `cmd:"" group:"Steer a running daemon" help:"Read the configuration again."`
	DKIM       dkimCmd       `cmd:"" name:"dkim" group:"Prepare" help:"Make, publish, rotate and check the keys that sign mail."`
	DNS        dnsCmd        `cmd:"" name:"dns" group:"Prepare" help:"Print and check the DNS records that a domain is to publish."`
	ISP        ispCmd        `cmd:"" name:"isp" group:"Prepare" help:"Show the servers of well-known mail providers."`
	Credential credentialCmd `cmd:"" group:"Steer a running daemon" help:"Say who may log in and send, as whom and how much."`
	User       userCmd       `cmd:"" group:"Steer a running daemon" help:"Say who has a mailbox here."`
	Mailbox    mailboxCmd    `cmd:"" group:"Steer a running daemon" help:"Take a user's mail out, or in."`
	Greylist   greylistCmd   `cmd:"" group:"Steer a running daemon" help:"Show whom the greylist knows, forget or allow some."`
	Suppress   suppressCmd   `cmd:"" group:"Steer a running daemon" help:"Keep mail from addresses and domains that want none."`
	Backup     backupCmd     `cmd:"" group:"Steer a running daemon" help:"Copy the queue, the lists, the logins and the mailboxes while mail goes on."`
	Bench      benchCmd      `cmd:"" group:"Measure and prove" help:"Measure posthaste, alone or beside other relays."`
	Classify   classifyCmd   `cmd:"" group:"Measure and prove" help:"Tell what a host's refusal is about, and what it calls for."`
	Verify     verifyCmd     `cmd:"" group:"Measure and prove" help:"Check a backup, or the data of a stopped daemon."`
}

const cliDescription = `An outbound mail relay: mail comes in over SMTP, is safe on disk before it is
acknowledged, and leaves to each receiver as fast as that one takes it.`

// runCLI parses args and runs the command they name.
func runCLI(p process, args []string) (exitCode int) {
	var grammar cli
	parser, err := kong.New(&grammar,
		kong.Name("posthaste"),
		kong.Description(cliDescription),
		kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"config": defaultConfigFile},
		kong.Bind(p),
	)
	if err != nil {
		fmt.Fprintln(p.stderr, "posthaste:", err)
		return exitSoftware
	}
	ctx, err := parser.Parse(asMeant(args))
	if err != nil {
		fmt.Fprintf(p.stderr, "posthaste: %v\nTry: %s --help\n", err, commandOf(err))
		return exitUsage
	}
	err = ctx.Run()
	report(p, err)
	return codeOf(err)
}

// asMeant turns what people try, used to other programs, into what the grammar has.
func asMeant(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// commandOf returns the command whose line could not be read, as far as it could.
func commandOf(err error) string {
	var parse *kong.ParseError
	words := []string{"posthaste"}
	if errors.As(err, &parse) && parse.Context != nil {
		for _, step := range parse.Context.Path {
			if step.Command != nil {
				words = append(words, step.Command.Name)
			}
		}
	}
	return strings.Join(words, " ")
}

// report prints err with the name of the program. The lines of a configuration's errors stand
// alone, so that editors can follow their file:line.
func report(p process, err error) {
	if err == nil || err.Error() == "" {
		return
	}
	if strings.Contains(err.Error(), "\n") {
		fmt.Fprintln(p.stderr, err)
		return
	}
	fmt.Fprintln(p.stderr, "posthaste:", err)
}
