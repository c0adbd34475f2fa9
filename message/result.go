package message

// Result is what became of one recipient in one attempt. The first is not an end; every accepted
// recipient has exactly one of the others.
type Result uint8

const (
	Deferred   Result = iota // still ours: tried again at the next due time
	Delivered                // the next hop answered 250
	Bounced                  // refused for good
	Expired                  // still deferred when its time was up
	Dropped                  // taken out by an operator, without a bounce
	Captured                 // of a login whose mail must not leave
	Suppressed               // the recipient wants no mail
	NumResults
)

// Ended tells whether the recipient has left the queue.
func (r Result) Ended() bool { return r != Deferred }

// String returns the name that events and metrics use.
func (r Result) String() string {
	switch r {
	case Deferred:
		return "deferred"
	case Delivered:
		return "delivered"
	case Bounced:
		return "bounced"
	case Expired:
		return "expired"
	case Dropped:
		return "dropped"
	case Captured:
		return "captured"
	case Suppressed:
		return "suppressed"
	default:
		return "unknown"
	}
}
