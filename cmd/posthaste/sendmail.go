package main

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// sendmailCmd is `posthaste sendmail`; what follows is the classic command line.
type sendmailCmd struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"Flags and addresses, as for sendmail."`
}

// Help is the long help.
func (sendmailCmd) Help() string { return sendmailUsage }

const sendmailUsage = `Reads a message from standard input and hands it to the local daemon; also as a link named
sendmail or mailq.

  -t            take recipients from To, Cc and Bcc (and remove Bcc)
  -f, -r ADDR   the sender; "" or <> is the null sender
  -F NAME       full name for a From field that is missing
  -i, -oi       a line with a lone "." does not end the message
  -N WHEN       ask for reports: never, or success,failure,delay
  -R WHAT       reports bring back full or hdrs
  -V ID         envelope id for reports
  -B TYPE       7BIT or 8BITMIME
  -bm           deliver mail (default)      -bs   speak SMTP on standard input
  -bp           print the queue             -bv   ask whether recipients are accepted
  -q, -qI ID, -qR DOMAIN                    try queued mail now
  -v            show the SMTP dialogue
  -C FILE       configuration file that tells the daemon's address
  -S HOST:PORT  the daemon's address

All recipients are accepted (exit code 0) or none is. Exit codes are those of sysexits.h: 64 usage,
65 bad data, 67 unknown recipient, 69 refused, 75 try again later (the daemon is down or busy),
77 not permitted.

Examples:
  echo hello | posthaste sendmail -S 127.0.0.1:2587 you@example.net
  posthaste sendmail -t -f bounces@example.net < message.eml`

// Run runs sendmail; its messages are printed there.
func (c *sendmailCmd) Run(p process) error {
	if code := sendmail(p, c.Args); code != exitOK {
		return exitError{code, errors.New("")}
	}
	return nil
}

// sendmail is the sendmail command.
func sendmail(p process, args []string) (exitCode int) {
	opt, err := parseSendmailArgs(args)
	if err == nil {
		switch opt.mode {
		case 'm':
			err = submit(p, opt)
		case 's':
			err = speakSMTP(p, opt)
		case 'v':
			err = verifyRecipients(p, opt)
		case 'i': // newaliases: there are no aliases to make
		case 'h':
			_, err = fmt.Fprintln(p.stdout, sendmailUsage)
		case 'p':
			err = printQueue(p, opt)
		case 'q':
			err = flushQueue(p, opt)
		}
	}
	if err != nil {
		fmt.Fprintln(p.stderr, "sendmail:", err)
	}
	return codeOf(err)
}

// daemonAddress returns where the local daemon takes submissions: what the command line or the environment
// says, else the first listener of the configuration that fits, else the standard port.
func daemonAddress(opt sendmailOptions) (string, error) {
	if opt.server != "" {
		return opt.server, nil
	}
	if a := os.Getenv("POSTHASTE_SUBMIT"); a != "" {
		return a, nil
	}
	file := opt.config
	if file == "" {
		file = defaultConfigFile
	}
	cfg, _, err := LoadConfig(file)
	if err != nil {
		if opt.config != "" {
			return "", configError(err)
		}
		return "127.0.0.1:587", nil // any user may send mail; not any may read the configuration
	}
	return submissionListener(cfg.Listeners), nil
}

// submissionListener picks a listener that takes plain text: submission first.
func submissionListener(all []Listener) string {
	best := "127.0.0.1:587"
	for _, kind := range []string{"mx", "submission"} {
		for _, l := range all {
			if l.Kind == kind && l.TLS != "implicit" && l.Address != "systemd" {
				best = l.Address
				break
			}
		}
	}
	host, port, err := net.SplitHostPort(best)
	if err != nil {
		return best
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
