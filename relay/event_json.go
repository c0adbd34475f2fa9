package relay

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// appendEventJSON appends e as one JSON object and a line feed. The members have the names of
// KumoMTA's log records where it has one for the thing. It is written by hand because every
// recipient's end passes through here: reflection costs several times as much.
func appendEventJSON(b []byte, e *Event) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, e.Type.String()...)
	b = append(b, '"')
	if e.ID != 0 {
		b = appendJSONID(b, `,"id":"`, e.ID)
	}
	b = appendJSONTime(b, `,"timestamp":"`, e.Timestamp)
	b = appendJSONTime(b, `,"created":"`, e.Created)
	b = append(b, `,"sender":`...)
	b = appendJSONString(b, e.Sender, maxEventAddress)
	b = appendJSONMember(b, `,"recipient":`, e.Recipient, maxEventAddress)
	b = appendJSONInt(b, `,"num_recipients":`, int64(e.Recipients))
	b = appendJSONMember(b, `,"queue":`, e.Domain, maxEventName)
	b = appendJSONMember(b, `,"site":`, e.Site, maxEventName)
	b = appendJSONInt(b, `,"size":`, e.Size)
	b = appendJSONResponse(b, e)
	b = appendJSONPeer(b, e.PeerName, e.PeerAddr)
	b = appendJSONMember(b, `,"helo":`, e.HELO, maxEventName)
	b = appendJSONInt(b, `,"num_attempts":`, int64(e.Attempts))
	b = appendJSONTime(b, `,"next_due":"`, e.NextDue)
	b = appendJSONMember(b, `,"bounce_classification":`, e.Classification, maxEventName)
	b = appendJSONMember(b, `,"egress_source":`, e.Source, maxEventName)
	b = appendJSONMember(b, `,"egress_pool":`, e.Pool, maxEventName)
	b = appendJSONMember(b, `,"delivery_protocol":`, e.Protocol, maxEventName)
	b = appendJSONMember(b, `,"reception_protocol":`, e.Reception, maxEventName)
	b = appendJSONMember(b, `,"tls_protocol_version":`, e.TLSVersion, maxEventName)
	b = appendJSONMember(b, `,"tls_cipher":`, e.TLSCipher, maxEventName)
	b = appendJSONMember(b, `,"session_id":`, e.SessionID, maxEventName)
	b = appendJSONMember(b, `,"message_id":`, e.MessageID, maxEventAddress)
	b = appendJSONMember(b, `,"listener":`, e.Listener, maxEventName)
	b = appendJSONMember(b, `,"authz_id":`, e.AuthName, maxEventName)
	b = appendJSONMember(b, `,"checks":`, e.Checks, maxEventText)
	b = appendJSONMember(b, `,"dkim":`, e.DKIM, maxEventText)
	b = appendJSONMember(b, `,"tenant":`, e.Tenant, maxEventName)
	if e.Class != message.ClassNormal {
		b = appendJSONMember(b, `,"class":`, e.Class.String(), maxEventName)
	}
	if e.Delays != (Delays{}) {
		b = appendJSONDelays(b, e.Delays)
	}
	if e.Relates != 0 {
		b = appendJSONID(b, `,"relates":"`, e.Relates)
	}
	if e.Removed {
		b = append(b, `,"removed":true`...)
	}
	if e.Detail != nil {
		b = appendJSONDetail(b, e.Detail)
	}
	return append(b, '}', '\n')
}

// The functions below take the member's name with its comma and quotes, as it stands in the line.

func appendJSONMember(b []byte, name, value string, max int) []byte {
	if value == "" {
		return b
	}
	return appendJSONString(append(b, name...), value, max)
}

func appendJSONInt(b []byte, name string, v int64) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), v, 10)
}

func appendJSONID(b []byte, name string, id message.ID) []byte {
	b, _ = id.AppendText(append(b, name...))
	return append(b, '"')
}

func appendJSONTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return append(appendStamp(append(b, name...), t), '"')
}

func appendJSONResponse(b []byte, e *Event) []byte {
	if e.Status.Code == 0 && e.Status.Text == "" {
		return b
	}
	b = append(b, `,"response":{`...)
	b = appendJSONStatus(b, e.Status)
	b = appendJSONMember(b, `,"command":`, e.Command, maxEventName)
	return append(b, '}')
}

// appendJSONStatus appends the members of a reply, without the braces.
func appendJSONStatus(b []byte, s message.Status) []byte {
	if s.Code != 0 {
		b = append(b, `"code":`...)
		b = append(strconv.AppendInt(b, int64(s.Code), 10), ',')
	}
	if c := s.Enhanced; c != (message.EnhancedCode{}) {
		b = append(b, `"enhanced_code":{"class":`...)
		b = strconv.AppendInt(b, int64(c[0]), 10)
		b = append(b, `,"subject":`...)
		b = strconv.AppendInt(b, int64(c[1]), 10)
		b = append(b, `,"detail":`...)
		b = strconv.AppendInt(b, int64(c[2]), 10)
		b = append(b, '}', ',')
	}
	b = append(b, `"content":`...)
	b = appendJSONString(b, s.Text, maxEventText)
	if s.Remote {
		b = append(b, `,"remote":true`...)
	}
	return b
}

func appendJSONPeer(b []byte, name string, addr netip.AddrPort) []byte {
	if name == "" && !addr.IsValid() {
		return b
	}
	b = append(b, `,"peer_address":{"name":`...)
	b = appendJSONString(b, name, maxEventName)
	if addr.IsValid() {
		b = append(b, `,"addr":"`...)
		b = addr.AppendTo(b)
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendJSONDelays(b []byte, d Delays) []byte {
	b = append(b, `,"delays":[`...)
	b = appendSeconds(b, d.BeforeQueue)
	b = appendSeconds(append(b, ','), d.InQueue)
	b = appendSeconds(append(b, ','), d.Connect)
	b = appendSeconds(append(b, ','), d.Transmission)
	return append(b, ']')
}

func appendJSONDetail(b []byte, d *Detail) []byte {
	b = append(b, `,"attempt":{"route":{"kind":`...)
	b = appendJSONString(b, d.Route.Kind, maxEventName)
	if d.Route.Cached {
		b = append(b, `,"cached":true`...)
	}
	if d.Route.Stale {
		b = append(b, `,"stale":true`...)
	}
	b = appendSeconds(append(b, `,"seconds":`...), d.Route.Took)
	for i, h := range d.Route.Hosts[:min(len(d.Route.Hosts), MaxDetailHosts)] {
		if i == 0 {
			b = append(b, `,"hosts":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendJSONString(b, h, maxEventName)
	}
	if len(d.Route.Hosts) > 0 {
		b = append(b, ']')
	}
	b = append(b, '}')
	b = appendJSONTime(b, `,"start":"`, d.Start)
	if d.Reused {
		b = append(b, `,"reused":true`...)
	}
	b = append(b, `,"steps":[`...)
	for i, s := range d.Steps[:min(len(d.Steps), MaxSteps)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONStep(b, &s)
	}
	return append(b, ']', '}')
}

func appendJSONStep(b []byte, s *Step) []byte {
	b = append(b, `{"phase":`...)
	b = appendJSONString(b, s.Phase, maxEventName)
	b = appendSeconds(append(b, `,"at":`...), s.At)
	b = appendJSONMember(b, `,"host":`, s.Host, maxEventName)
	if s.Status.Code != 0 || s.Status.Text != "" {
		b = appendJSONStatus(append(b, ','), s.Status)
	}
	return append(b, '}')
}

// stampLayout is what appendStamp writes, for time.Parse.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// appendStamp appends t in UTC as in RFC 3339, to the microsecond.
func appendStamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), t.Nanosecond()/1000, 6)
	return append(b, 'Z')
}

// appendDigits appends the last n decimal digits of v.
func appendDigits(b []byte, v, n int) []byte {
	var d [8]byte
	for i := n - 1; i >= 0; i-- {
		d[i] = byte('0' + v%10)
		v /= 10
	}
	return append(b, d[:n]...)
}

// appendSeconds appends d in seconds to the microsecond, without trailing zeros. Negative spans,
// which a clock set back makes, are written as 0.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1_000_000, 10)
	frac := int(us % 1_000_000)
	if frac == 0 {
		return b
	}
	b = appendDigits(append(b, '.'), frac, 6)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}
