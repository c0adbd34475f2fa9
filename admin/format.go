package admin

import (
	"bufio"
	"encoding/json"
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

// WriteItemsJSON prints a queue as JSON Lines, in `postqueue -j`'s members and ours.
func WriteItemsJSON(w io.Writer, items iter.Seq2[*QueueItem, error]) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for item, err := range items {
		if err != nil {
			return flushed(out, err)
		}
		if err := lines.Encode(item); err != nil {
			return err
		}
	}
	return out.Flush()
}

// WriteItem prints all that is known of one item, for `queue show`.
func WriteItem(w io.Writer, item *QueueItem, now time.Time, loc *time.Location) error {
	out := bufio.NewWriter(w)
	arrived := time.Unix(item.ArrivalTime, 0)
	fmt.Fprintf(out, "%s to %s: %s\n", item.QueueID, show(item.Queue), item.State)
	fmt.Fprintf(out, "  sender    %s\n", show(item.Sender))
	fmt.Fprintf(out, "  arrived   %s, %s ago\n", arrived.In(loc).Format(time.DateTime), span(now.Sub(arrived)))
	fmt.Fprintf(out, "  size      %d bytes\n", item.MessageSize)
	fmt.Fprintf(out, "  class     %s\n", item.Class)
	if item.Tenant != "" {
		fmt.Fprintf(out, "  tenant    %s\n", show(item.Tenant))
	}
	fmt.Fprintf(out, "  attempts  %d\n", item.Attempts)
	if item.State == stateWaiting {
		fmt.Fprintf(out, "  next try  %s, in %s\n", item.NextDue.In(loc).Format(time.DateTime), span(item.NextDue.Sub(now)))
	}
	for _, r := range item.Recipients {
		fmt.Fprintf(out, "  to        %s\n", show(r.Address))
		if r.DelayReason != "" {
			fmt.Fprintf(out, "            %s\n", show(r.DelayReason))
		}
	}
	return out.Flush()
}

const stateWaiting = "waiting"

// span prints an age to the second.
func span(d time.Duration) string { return max(d, 0).Round(time.Second).String() }

// WriteStats prints a table of names by age, as Postfix's qshape does.
func WriteStats(w io.Writer, s Stats) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%32s %8s %8s %8s %8s", s.By, "total", "ready", "waiting", "held")
	for _, age := range StatsAges {
		fmt.Fprintf(out, " %7s", "<"+shortAge(age))
	}
	fmt.Fprintf(out, " %7s\n", shortAge(StatsAges[len(StatsAges)-1])+"+")
	for _, row := range append([]StatsRow{s.Total}, s.Rows...) {
		name := show(row.Name)
		if len(name) > 32 {
			name = "..." + name[len(name)-29:]
		}
		fmt.Fprintf(out, "%32s %8d %8d %8d %8d", name, row.Recipients, row.Ready+row.Delivering, row.Waiting, row.Held)
		for _, n := range row.Ages {
			fmt.Fprintf(out, " %7d", n)
		}
		fmt.Fprintln(out)
	}
	if s.More > 0 {
		fmt.Fprintf(out, "%32s\n", fmt.Sprintf("(%d more)", s.More))
	}
	return out.Flush()
}

func shortAge(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// WriteAudit prints the account, and whether it comes out even.
func WriteAudit(w io.Writer, a Audit) error {
	out := bufio.NewWriter(w)
	for _, line := range []struct {
		name string
		n    int64
	}{
		{"accepted", a.Accepted}, {"delivered", a.Delivered}, {"bounced", a.Bounced}, {"expired", a.Expired},
		{"dropped", a.Dropped}, {"damaged", a.Damaged}, {"queued", a.Queued},
	} {
		fmt.Fprintf(out, "%-10s %12d\n", line.name, line.n)
	}
	switch {
	case a.Missing == 0:
		fmt.Fprintln(out, "accepted = ended + queued: every recipient is accounted for")
	case a.Missing > 0:
		fmt.Fprintf(out, "MISSING: %d recipients were accepted and are neither ended nor queued\n", a.Missing)
	default:
		fmt.Fprintf(out, "TOO MANY: %d more recipients ended or are queued than were accepted\n", -a.Missing)
	}
	return out.Flush()
}
