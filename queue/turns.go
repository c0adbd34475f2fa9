package queue

import "github.com/posthaste-mta/posthaste/message"

// turns are the flows of a domain that may have something due. Classes share the domain by deficit
// round robin: in each round a class may send as many groups as it weighs, the heaviest first, so that what
// is urgent waits for one group at the most, however many flows of other classes there are. Within a
// class the tenants' flows send one group each in turn.
type turns struct {
	classes [message.NumClasses]struct {
		flows []*flow
		at    int // whose turn it is
		left  int // groups that the class may still send in this round
	}
	size int
}

// add puts a flow at the end of its class's line.
func (t *turns) add(f *flow) {
	c := &t.classes[f.name.class]
	c.flows = append(c.flows, f)
	f.inTurn = true
	t.size++
}

// first returns the flow whose turn it is; nil if there is none.
func (t *turns) first(weights *[message.NumClasses]int) *flow {
	if t.size == 0 {
		return nil
	}
	for {
		best := -1
		for i := range t.classes {
			c := &t.classes[i]
			if len(c.flows) > 0 && c.left > 0 && (best < 0 || weights[i] > weights[best]) {
				best = i
			}
		}
		if best >= 0 {
			c := &t.classes[best]
			return c.flows[c.at]
		}
		for i := range t.classes {
			t.classes[i].left = weights[i] // at least 1, so that the next look finds one
		}
	}
}

// spend notes that the first flow has sent a group.
func (t *turns) spend(f *flow) {
	c := &t.classes[f.name.class]
	c.left--
	c.at = (c.at + 1) % len(c.flows)
}

// remove takes out the flow whose turn it is in its class.
func (t *turns) remove(f *flow) {
	c := &t.classes[f.name.class]
	copy(c.flows[c.at:], c.flows[c.at+1:])
	c.flows[len(c.flows)-1] = nil
	c.flows = c.flows[:len(c.flows)-1]
	if c.at >= len(c.flows) {
		c.at = 0
	}
	f.inTurn = false
	if t.size--; t.size == 0 {
		*t = turns{} // a new round begins, and a long line is not kept for ever
	}
}
