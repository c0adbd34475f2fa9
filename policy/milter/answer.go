package milter

import (
	"encoding/binary"
	"fmt"
	"strings"

	wire "github.com/emersion/go-milter"

	"github.com/posthaste-mta/posthaste/message"
)

// maxChanges bounds what a filter may do to one message.
const maxChanges = 10_000

// answer gathers what a filter says about one message.
type answer struct {
	content []byte
	decided bool
	skip    bool // no more of this step is wanted
	action  Action
	status  message.Status

	changes    int
	header     []headerChange
	newBody    []byte
	hasNewBody bool
	added      []string
	removed    []string
	sender     *string
	hold       bool
	reason     string
}

// decide reads an answer that is not a change.
func (a *answer) decide(p packet) error {
	switch wire.ActionCode(p.code) {
	case wire.ActContinue:
		return nil
	case wire.ActSkip:
		a.skip = true
		return nil
	case wire.ActAccept:
		a.action = ActionAccept
	case wire.ActDiscard:
		a.action = ActionDiscard
	case wire.ActReject:
		a.action, a.status = ActionReject, statusRejected
	case wire.ActTempFail:
		a.action, a.status = ActionTempfail, statusTempfailed
	case wire.ActReplyCode:
		status, err := parseReply(p.data)
		if err != nil {
			return err
		}
		a.status, a.action = status, ActionReject
		if status.Temporary() {
			a.action = ActionTempfail
		}
	default:
		return fmt.Errorf("%w: unexpected answer %q", errProtocol, p.code)
	}
	a.decided = true
	return nil
}

// takeSkip tells whether the filter wants no more of the step.
func (a *answer) takeSkip() bool {
	skip := a.skip
	a.skip = false
	return skip
}

// addRcptWithArgs is the change that go-milter has no name for.
const addRcptWithArgs = wire.ModifyActCode('2')

// changeWants tells the action that must be agreed on for a change.
func changeWants(code byte) (wire.OptAction, bool) {
	switch wire.ModifyActCode(code) {
	case wire.ActAddRcpt:
		return wire.OptAddRcpt, true
	case addRcptWithArgs:
		return wire.OptAddRcptWithArgs, true
	case wire.ActDelRcpt:
		return wire.OptRemoveRcpt, true
	case wire.ActReplBody:
		return wire.OptChangeBody, true
	case wire.ActAddHeader, wire.ActInsertHeader:
		return wire.OptAddHeader, true
	case wire.ActChangeHeader:
		return wire.OptChangeHeader, true
	case wire.ActQuarantine:
		return wire.OptQuarantine, true
	case wire.ActChangeFrom:
		return wire.OptChangeFrom, true
	default:
		return 0, false
	}
}

func isChange(code byte) bool {
	_, ok := changeWants(code)
	return ok
}

// change reads one change to the message.
func (a *answer) change(p packet, with agreed) error {
	if wants, _ := changeWants(p.code); with.actions&wants == 0 {
		return fmt.Errorf("%w: change %q was not agreed on", errProtocol, p.code)
	}
	if a.changes++; a.changes > maxChanges {
		return fmt.Errorf("%w: more than %d changes", errProtocol, maxChanges)
	}
	switch wire.ModifyActCode(p.code) {
	case wire.ActAddRcpt, addRcptWithArgs:
		address, _ := cutCString(p.data) // parameters of RCPT are ours to decide
		a.added = append(a.added, withoutBrackets(address))
	case wire.ActDelRcpt:
		address, _ := cutCString(p.data)
		a.removed = append(a.removed, withoutBrackets(address))
	case wire.ActChangeFrom:
		address, _ := cutCString(p.data)
		address = withoutBrackets(address)
		a.sender = &address
	case wire.ActReplBody:
		a.newBody, a.hasNewBody = append(a.newBody, p.data...), true
	case wire.ActQuarantine:
		reason, _ := cutCString(p.data)
		a.hold, a.reason = true, message.CleanLine(reason, maxText)
	default:
		return a.changeHeader(p, with.skips(wire.OptHeaderLeadingSpace))
	}
	return nil
}

// changeHeader reads a field to be added, inserted, changed or deleted.
func (a *answer) changeHeader(p packet, spaced bool) error {
	h := headerChange{code: wire.ModifyActCode(p.code)}
	data := p.data
	if h.code != wire.ActAddHeader {
		if len(data) < 4 {
			return fmt.Errorf("%w: change %q without an index", errProtocol, p.code)
		}
		h.index, data = binary.BigEndian.Uint32(data), data[4:]
	}
	var value string
	h.name, data = cutCString(data)
	value, _ = cutCString(data)
	if !isFieldName(h.name) {
		return fmt.Errorf("%w: %q is not the name of a header field", errProtocol, message.CleanLine(h.name, 80))
	}
	h.gone = value == "" && h.code == wire.ActChangeHeader
	h.value = cleanValue(value, spaced)
	a.header = append(a.header, h)
	return nil
}

func withoutBrackets(address string) string {
	address = strings.TrimSpace(address)
	if inner, ok := strings.CutPrefix(address, "<"); ok {
		return strings.TrimSuffix(inner, ">")
	}
	return address
}

// verdict turns the answer into what the caller acts on. Changes count only for mail that is taken.
func (a *answer) verdict(m *Message) (Verdict, error) {
	v := Verdict{Action: a.action, Status: a.status}
	if a.action != ActionAccept {
		return v, nil
	}
	if a.hold {
		v.Action, v.Reason = ActionHold, a.reason
	}
	if len(a.header) > 0 || a.hasNewBody {
		v.Content = a.edited()
	}
	if a.sender != nil && *a.sender != m.Sender {
		if *a.sender != "" {
			if _, err := message.ParseAddress(*a.sender, m.UTF8); err != nil {
				return Verdict{}, fmt.Errorf("%w: new sender: %w", errProtocol, err)
			}
		}
		v.Sender, v.SenderChanged = *a.sender, true
	}
	return v, a.recipients(m, &v)
}

// recipients works out who comes and who goes; whoever is there already is not added, whoever is not is not removed.
func (a *answer) recipients(m *Message, v *Verdict) error {
	for _, r := range a.added {
		if _, err := message.ParseAddress(r, m.UTF8); err != nil {
			return fmt.Errorf("%w: new recipient: %w", errProtocol, err)
		}
	}
	gone := set(a.removed)
	var left []string
	for _, r := range m.Recipients {
		if !gone[r] {
			left = append(left, r)
		}
	}
	here := set(left)
	for _, r := range a.added {
		if !here[r] {
			here[r] = true
			left = append(left, r)
		}
	}
	v.Added, v.Removed = difference(m.Recipients, left)
	if len(left) == 0 && len(m.Recipients) > 0 {
		v.Action = ActionDiscard
	}
	return nil
}
