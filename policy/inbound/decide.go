package inbound

import (
	"fmt"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/dmarc"
)

// Action is what follows from a result, the stricter ones last.
type Action uint8

const (
	ActionDefault Action = iota // as DefaultActions has it
	ActionNone                  // nothing but the entry in Authentication-Results
	ActionTag                   // an entry in the verdict field, for filters behind us
	ActionHold                  // the message is taken and put aside until somebody looks at it
	ActionDefer                 // the client is asked to come again
	ActionRefuse                // the message is not taken
)

var actionNames = [...]string{"default", "none", "tag", "hold", "defer", "refuse"}

// String returns the action's name.
func (a Action) String() string { return actionNames[a] }

// UnmarshalText reads "default", "none", "tag", "hold", "defer" or "refuse".
func (a *Action) UnmarshalText(text []byte) error {
	for i, name := range actionNames {
		if string(text) == name {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("%.40q is no action: want %s", text, strings.Join(actionNames[:], ", "))
}

// Actions say what follows from which result. The zero value is that of DefaultActions.
type Actions struct {
	SPFFail, SPFSoftFail, SPFPermError Action
	// DKIMFail is for a message whose signatures all fail; none at all is no failure (RFC 6376 6.1).
	DKIMFail Action
	// These are for messages that fail DMARC, by the policy of the author's domain.
	DMARCReject, DMARCQuarantine, DMARCNone Action
	// BadAuthor is for a From field without a domain, or with too many to look at.
	BadAuthor Action
	// Listed is for clients on a list that has no action of its own.
	Listed Action
	// NullMX is for return paths at a domain that takes no mail (RFC 7505), UnknownSender for those at one that has no
	// mail server.
	NullMX, UnknownSender Action
	// NoReverse is for clients without a name that leads back to their address.
	NoReverse Action
	// TempError is for messages about which SPF or DMARC could not find out for now, unless DMARC passes.
	TempError Action
}

// DefaultActions tags what is worth knowing, and refuses only what the author's domain wants refused.
func DefaultActions() Actions {
	return Actions{
		SPFFail: ActionTag, SPFSoftFail: ActionTag, SPFPermError: ActionNone, DKIMFail: ActionTag,
		DMARCReject: ActionRefuse, DMARCQuarantine: ActionTag, DMARCNone: ActionNone,
		BadAuthor: ActionTag, Listed: ActionTag, NullMX: ActionRefuse, UnknownSender: ActionTag,
		NoReverse: ActionNone, TempError: ActionNone,
	}
}

// withDefaults returns a with each ActionDefault replaced.
func (a Actions) withDefaults() Actions {
	d := DefaultActions()
	for _, p := range [][2]*Action{
		{&a.SPFFail, &d.SPFFail}, {&a.SPFSoftFail, &d.SPFSoftFail}, {&a.SPFPermError, &d.SPFPermError},
		{&a.DKIMFail, &d.DKIMFail}, {&a.DMARCReject, &d.DMARCReject}, {&a.DMARCQuarantine, &d.DMARCQuarantine},
		{&a.DMARCNone, &d.DMARCNone}, {&a.BadAuthor, &d.BadAuthor}, {&a.Listed, &d.Listed},
		{&a.NullMX, &d.NullMX}, {&a.UnknownSender, &d.UnknownSender}, {&a.NoReverse, &d.NoReverse}, {&a.TempError, &d.TempError},
	} {
		if *p[0] == ActionDefault {
			*p[0] = *p[1]
		}
	}
	return a
}

// Decision is what to do with a message.
type Decision struct {
	Action Action // never ActionDefault
	// Status is the reply for ActionRefuse and ActionDefer.
	Status message.Status
	// Tags name the results that called for ActionTag or more, such as "spf=fail" or "listed=zen.example".
	Tags []string
}

// Decide returns what is to be done about the results: the strictest of all that follows from them.
func (c *Checker) Decide(r Results) Decision {
	a := &c.cfg.Actions
	d := c.DecideClient(r.Client)
	d.join(c.DecideSender(r.Sender))
	d.spf(a, r)
	if v := r.DKIM.Value(); v != None && v != Pass && v != TempError {
		both := d.Action == ActionRefuse && d.Status.Enhanced == spfRefused
		d.add(a.DKIMFail, "dkim="+string(v), refusal(20, "no valid DKIM signature"))
		if both && a.DKIMFail == ActionRefuse {
			d.Status = refusal(26, "neither SPF nor DKIM is valid")
		}
	}
	d.dmarc(a, r)
	return d
}

// DecideClient returns what is to be done about a client before it has said anything.
func (c *Checker) DecideClient(r Client) Decision {
	d := Decision{Action: ActionNone}
	for _, l := range r.Lists {
		if l.Listed() {
			d.add(l.Action, "listed="+l.Zone,
				refusal(1, fmt.Sprintf("client %s is listed by %s (%s)", r.Addr, l.Zone, strings.Join(l.Names, ", "))))
		}
	}
	if r.Reverse.Value == Fail || r.Reverse.Value == PermError {
		d.add(c.cfg.Actions.NoReverse, "iprev="+string(r.Reverse.Value),
			refusal(25, fmt.Sprintf("client %s has no name that leads back to it", r.Addr)))
	}
	return d
}

func (d *Decision) spf(a *Actions, r Results) {
	tag := "spf=" + string(r.SPF.Value)
	switch r.SPF.Value {
	case Fail:
		d.add(a.SPFFail, tag, refusal(23, "the SPF record of "+r.SPF.Domain+" does not allow this client"))
	case SoftFail:
		d.add(a.SPFSoftFail, tag, refusal(23, "the SPF record of "+r.SPF.Domain+" does not allow this client"))
	case PermError:
		d.add(a.SPFPermError, tag, refusal(24, "the SPF record of "+r.SPF.Domain+" cannot be understood"))
	case TempError:
		if r.DMARC.Value != dmarc.Pass {
			d.add(a.TempError, tag, later("the SPF record of "+r.SPF.Domain+" could not be checked"))
		}
	}
}

func (d *Decision) dmarc(a *Actions, r Results) {
	switch r.DMARC.Value {
	case dmarc.PermError:
		d.add(a.BadAuthor, "dmarc=permerror", refusal(1, r.DMARC.Reason))
	case dmarc.TempError:
		d.add(a.TempError, "dmarc=temperror", later("the DMARC policy of "+r.DMARC.Author+" could not be checked"))
	case dmarc.Fail:
		action := map[dmarc.Policy]Action{
			dmarc.PolicyReject: a.DMARCReject, dmarc.PolicyQuarantine: a.DMARCQuarantine,
		}[r.DMARC.Policy]
		if action == ActionDefault {
			action = a.DMARCNone
		}
		d.add(action, "dmarc=fail/"+r.DMARC.Policy.String(), refusal(1, "refused by the DMARC policy of "+r.DMARC.Author))
	}
}

// add takes up one result.
func (d *Decision) add(a Action, tag string, s message.Status) {
	if a >= ActionTag {
		d.Tags = append(d.Tags, tag)
	}
	switch {
	case a == ActionDefer && s.Permanent():
		s.Code, s.Enhanced[0] = 451, 4
	case a == ActionRefuse && s.Temporary():
		s.Code, s.Enhanced[0] = 550, 5
	}
	if a > d.Action || a == ActionRefuse { // DMARC, the last, tells the sender most
		d.Action = a
		if a >= ActionDefer {
			d.Status = s
		}
	}
}

// join takes up another decision.
func (d *Decision) join(other Decision) {
	d.Tags = append(d.Tags, other.Tags...)
	if other.Action > d.Action {
		d.Action, d.Status = other.Action, other.Status
	}
}

var spfRefused = message.EnhancedCode{5, 7, 23}

// refusal returns a reply of RFC 7372.
func refusal(detail int, text string) message.Status {
	return message.Status{Code: 550, Enhanced: message.EnhancedCode{5, 7, detail}, Text: text}
}

// later returns the reply to a message that cannot be checked for now.
func later(text string) message.Status {
	return message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 7, 24}, Text: text + ", try again later"}
}
