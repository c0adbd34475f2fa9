package milter

import (
	"context"
	"slices"
)

// Chain is filters in order: each sees the message as the one before left it.
type Chain []*Scanner

// Scan asks one filter after the other until one does not want the message. Held mail is shown to the rest too,
// and stays held. The verdict's changes are those of all; its Err is the first failure, also when it was passed over.
func (c Chain) Scan(ctx context.Context, m Message) Verdict {
	total := Verdict{}
	now := m
	for _, s := range c {
		v := s.Scan(ctx, now)
		if total.Err == nil {
			total.Err = v.Err
		}
		switch v.Action {
		case ActionReject, ActionTempfail, ActionDiscard:
			v.Err = total.Err
			return v
		case ActionHold:
			if total.Action != ActionHold {
				total.Action, total.Reason, total.Scanner = v.Action, v.Reason, v.Scanner
			}
		}
		if v.Content != nil {
			total.Content = v.Content
		}
		if v.SenderChanged {
			total.Sender, total.SenderChanged = v.Sender, true
		}
		now = v.apply(now)
	}
	total.Added, total.Removed = difference(m.Recipients, now.Recipients)
	return total
}

// difference returns what is only in after, and what is only in before.
func difference(before, after []string) (added, removed []string) {
	if slices.Equal(before, after) {
		return nil, nil
	}
	was, is := set(before), set(after)
	for _, r := range after {
		if !was[r] {
			added = append(added, r)
		}
	}
	for _, r := range before {
		if !is[r] {
			removed = append(removed, r)
		}
	}
	return added, removed
}

func set(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, s := range list {
		out[s] = true
	}
	return out
}
