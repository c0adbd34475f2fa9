package main

import (
	"errors"
	"fmt"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
)

// sendmailOptions is a parsed command line of sendmail.
type sendmailOptions struct {
	mode       byte // m mail, s SMTP, p print queue, v verify, i newaliases, q flush, h help
	fromHeader bool // -t
	ignoreDots bool // -i
	verbose    bool
	sender     *string // nil: the user
	fullName   string
	notify     []gosmtp.DSNNotify
	ret        gosmtp.DSNReturn
	envelopeID string
	flush      byte   // of mode q: 0 all, I by id, R by recipient's domain
	flushMatch string // of mode q
	config     string
	server     string
	recipients []string
}

// Flags that take a value, in the word or as the next one, and those that do not. Those of Postfix
// and Sendmail that mean nothing here are taken and ignored, because programs give them.
const (
	sendmailValueFlags = "ABCFLNORSVXbdfhopr"
	sendmailPlainFlags = "GIUcimnetvx"
)

// parseSendmailArgs reads a classic command line: single letters, which may stand together, values
// with or without a space, flags and addresses in any order.
func parseSendmailArgs(args []string) (sendmailOptions, error) {
	opt := sendmailOptions{mode: 'm'}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			opt.recipients = append(opt.recipients, args...)
			args = nil
		case word == "--help":
			opt.mode = 'h'
		case len(word) < 2 || word[0] != '-':
			opt.recipients = append(opt.recipients, word)
		case word[1] == 'q':
			args = opt.flushFlag(word[2:], args)
		default:
			var err error
			if args, err = opt.flags(word[1:], args); err != nil {
				return opt, withCode(exitUsage, fmt.Errorf("%w (try --help)", err))
			}
		}
	}
	if len(opt.recipients) == 0 && !opt.fromHeader && (opt.mode == 'm' || opt.mode == 'v') {
		return opt, withCode(exitUsage, errors.New("no recipients: name them, or take those of the message with -t (try --help)"))
	}
	return opt, nil
}

// flags reads one word of flags and returns the words that are left.
func (o *sendmailOptions) flags(letters string, args []string) ([]string, error) {
	for i := 0; i < len(letters); i++ {
		f := letters[i]
		if strings.IndexByte(sendmailPlainFlags, f) >= 0 {
			o.plainFlag(f)
			continue
		}
		if strings.IndexByte(sendmailValueFlags, f) < 0 {
			return nil, fmt.Errorf("unknown flag -%c", f)
		}
		value := letters[i+1:]
		if value == "" && f != 'o' && f != 'd' { // -o and -d stand alone in old scripts
			if len(args) == 0 {
				return nil, fmt.Errorf("-%c wants a value", f)
			}
			value, args = args[0], args[1:]
		}
		return args, o.valueFlag(f, value)
	}
	return args, nil
}

func (o *sendmailOptions) plainFlag(f byte) {
	switch f {
	case 't':
		o.fromHeader = true
	case 'i':
		o.ignoreDots = true
	case 'v':
		o.verbose = true
	case 'I':
		o.mode = 'i'
	}
}

func (o *sendmailOptions) valueFlag(f byte, value string) error {
	switch f {
	case 'f', 'r':
		sender := strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		o.sender = &sender
	case 'F':
		o.fullName = value
	case 'C':
		o.config = value
	case 'S':
		o.server = value
	case 'V':
		o.envelopeID = value
	case 'o':
		if value == "i" {
			o.ignoreDots = true
		}
	case 'b':
		return o.setMode(value)
	case 'B':
		if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
			return fmt.Errorf("-B wants 7BIT or 8BITMIME, not %q", value)
		}
	case 'R':
		return o.setReturn(value)
	case 'N':
		return o.setNotify(value)
	}
	return nil
}

func (o *sendmailOptions) setMode(value string) error {
	switch value {
	case "m", "s", "p", "v", "i":
		o.mode = value[0]
		return nil
	case "d", "D":
		return errors.New("-bd: the daemon is started with posthaste serve")
	default:
		return fmt.Errorf("unknown mode -b%s", value)
	}
}

func (o *sendmailOptions) setReturn(value string) error {
	switch strings.ToLower(value) {
	case "full":
		o.ret = gosmtp.DSNReturnFull
	case "hdrs":
		o.ret = gosmtp.DSNReturnHeaders
	default:
		return fmt.Errorf("-R wants full or hdrs, not %q", value)
	}
	return nil
}

func (o *sendmailOptions) setNotify(value string) error {
	o.notify = nil
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		n := gosmtp.DSNNotify(word)
		switch n {
		case gosmtp.DSNNotifyNever, gosmtp.DSNNotifySuccess, gosmtp.DSNNotifyFailure, gosmtp.DSNNotifyDelayed:
			o.notify = append(o.notify, n)
		default:
			return fmt.Errorf("-N wants never, or some of success,failure,delay; not %q", value)
		}
	}
	if len(o.notify) > 1 && strings.Contains(strings.ToUpper(value), "NEVER") {
		return errors.New("-N never stands alone")
	}
	return nil
}

// flushFlag reads -q, -qI ID, -qR DOMAIN, -qS SENDER, and the -q30m of a daemon of old, which asks
// for nothing that needs doing here.
func (o *sendmailOptions) flushFlag(rest string, args []string) []string {
	o.mode, o.flush = 'q', 0
	if rest == "" {
		return args
	}
	if strings.IndexByte("IRS", rest[0]) < 0 {
		return args
	}
	o.flush, o.flushMatch = rest[0], rest[1:]
	if o.flushMatch == "" && len(args) > 0 {
		o.flushMatch, args = args[0], args[1:]
	}
	return args
}
