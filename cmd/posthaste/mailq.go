package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/admin"
	"github.com/posthaste-mta/posthaste/message"
)

// printQueue is mailq, also sendmail -bp: Postfix's layout, which scripts read.
func printQueue(p process, opt sendmailOptions) error {
	flags := controlFlags{Socket: os.Getenv("POSTHASTE_SOCKET"), Config: opt.config}
	return flags.ask(func(ctx context.Context, daemon *admin.Client) error {
		out := bufio.NewWriter(p.stdout)
		defer out.Flush()
		var bytes, requests int64
		for item, err := range daemon.List(ctx, admin.Filter{}, 0) {
			if err != nil {
				return err
			}
			if requests == 0 {
				fmt.Fprintln(out, "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------")
			}
			requests++
			bytes += item.MessageSize
			printMailqItem(out, item)
		}
		if requests == 0 {
			_, err := fmt.Fprintln(out, "Mail queue is empty")
			return err
		}
		plural := "s"
		if requests == 1 {
			plural = ""
		}
		_, err := fmt.Fprintf(out, "-- %d Kbytes in %d Request%s.\n", bytes/1024, requests, plural)
		return err
	})
}

// printMailqItem prints one message: its id with "*" when it is active or "!" when it is held, then
// each reason with the recipients it holds up.
func printMailqItem(w io.Writer, item *admin.QueueItem) {
	mark := map[string]string{"active": "*", "hold": "!"}[item.QueueName]
	fmt.Fprintf(w, "%-11s %7d %s  %s\n", printable(item.QueueID)+mark, item.MessageSize,
		time.Unix(item.ArrivalTime, 0).Format("Mon Jan _2 15:04:05"), printable(item.Sender))
	reason := ""
	for _, r := range item.Recipients {
		if r.DelayReason != "" && r.DelayReason != reason {
			reason = r.DelayReason
			fmt.Fprintf(w, "%*s\n", 78, "("+printable(reason)+")")
		}
		fmt.Fprintf(w, "%41s%s\n", "", printable(r.Address))
	}
	fmt.Fprintln(w)
}

// flushQueue is sendmail -q: what waits is due now.
func flushQueue(p process, opt sendmailOptions) error {
	var f admin.Filter
	switch opt.flush {
	case 'I':
		if _, err := message.ParseID(opt.flushMatch); err != nil {
			return withCode(exitUsage, err)
		}
		f.IDs = []string{strings.ToLower(opt.flushMatch)}
	case 'R':
		f.Domain = strings.TrimPrefix(opt.flushMatch, "@")
	case 'S':
		f.Sender = opt.flushMatch
	}
	if opt.flush != 0 && f.Empty() {
		return withCode(exitUsage, errors.New("-q"+string(opt.flush)+" wants a value"))
	}
	flags := controlFlags{Socket: os.Getenv("POSTHASTE_SOCKET"), Config: opt.config}
	return flags.ask(func(ctx context.Context, daemon *admin.Client) error {
		_, err := daemon.Act(ctx, admin.Retry, f, false, "")
		return err
	})
}
