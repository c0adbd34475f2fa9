package admin

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/posthaste-mta/posthaste/relay"
)

// WriteMailq prints a queue in the layout of Postfix's mailq, as the items come: the mark behind an ID
// is * for mail that is ready or in delivery and ! for held mail. Times are in loc.
func WriteMailq(w io.Writer, items iter.Seq2[*QueueItem, error], loc *time.Location) error {
	out := bufio.NewWriter(w)
	var requests, bytes int64
	last := ""
	for item, err := range items {
		if err != nil {
			return flushed(out, err)
		}
		if requests == 0 {
			fmt.Fprintln(out, "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------")
		}
		if item.QueueID != last { // a message may have several items in a row
			requests++
			bytes += item.MessageSize
			last = item.QueueID
		}
		writeMailqItem(out, item, loc)
	}
	if requests == 0 {
		fmt.Fprintln(out, "Mail queue is empty")
		return out.Flush()
	}
	plural := "s"
	if requests == 1 {
		plural = ""
	}
	fmt.Fprintf(out, "-- %d Kbytes in %d Request%s.\n", bytes/1024, requests, plural)
	return out.Flush()
}

func writeMailqItem(w io.Writer, item *QueueItem, loc *time.Location) {
	id := item.QueueID
	switch item.QueueName {
	case "active":
		id += "*"
	case "hold":
		id += "!"
	}
	arrived := time.Unix(item.ArrivalTime, 0).In(loc).Format("Mon Jan _2 15:04:05")
	fmt.Fprintf(w, "%-17s %8d %s %s\n", id, item.MessageSize, arrived, show(item.Sender))
	reason := ""
	for _, r := range item.Recipients {
		if r.DelayReason != reason && r.DelayReason != "" {
			fmt.Fprintf(w, "%76s\n", "("+show(r.DelayReason)+")")
		}
		reason = r.DelayReason
		fmt.Fprintf(w, "%47s%s\n", "", show(r.Address))
	}
	fmt.Fprintln(w)
}

// show makes others' words fit for a terminal.
func show(s string) string { return relay.Printable(s, 1024) }

// flushed returns err, after what was printed before it.
func flushed(out *bufio.Writer, err error) error {
	_ = out.Flush()
	return err
}
