package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
)

// ErrBadEvent is returned for a line that is not an event of ours.
var ErrBadEvent = errors.New("not an event")

// eventRecord is one JSON line. Reading is not the hot path, so reflection may do it.
type eventRecord struct {
	Type           string         `json:"type"`
	ID             eventID        `json:"id"`
	Timestamp      time.Time      `json:"timestamp"`
	Created        time.Time      `json:"created"`
	Sender         string         `json:"sender"`
	Recipient      string         `json:"recipient"`
	Recipients     int            `json:"num_recipients"`
	Queue          string         `json:"queue"`
	Site           string         `json:"site"`
	Size           int64          `json:"size"`
	Response       responseRecord `json:"response"`
	Peer           peerRecord     `json:"peer_address"`
	HELO           string         `json:"helo"`
	Attempts       int            `json:"num_attempts"`
	NextDue        time.Time      `json:"next_due"`
	Classification string         `json:"bounce_classification"`
	Source         string         `json:"egress_source"`
	Pool           string         `json:"egress_pool"`
	Protocol       string         `json:"delivery_protocol"`
	Reception      string         `json:"reception_protocol"`
	TLSVersion     string         `json:"tls_protocol_version"`
	TLSCipher      string         `json:"tls_cipher"`
	SessionID      string         `json:"session_id"`
	MessageID      string         `json:"message_id"`
	Listener       string         `json:"listener"`
	AuthName       string         `json:"authz_id"`
	Checks         string         `json:"checks"`
	DKIM           string         `json:"dkim"`
	Tenant         string         `json:"tenant"`
	Class          string         `json:"class"`
	Delays         [4]jsonSeconds `json:"delays"`
	Relates        eventID        `json:"relates"`
	Removed        bool           `json:"removed"`
	Attempt        *attemptRecord `json:"attempt"`
}

type responseRecord struct {
	statusRecord
	Command string `json:"command"`
}

type statusRecord struct {
	Code     int `json:"code"`
	Enhanced struct {
		Class   int `json:"class"`
		Subject int `json:"subject"`
		Detail  int `json:"detail"`
	} `json:"enhanced_code"`
	Content string `json:"content"`
	Remote  bool   `json:"remote"`
}

type peerRecord struct {
	Name string         `json:"name"`
	Addr netip.AddrPort `json:"addr"`
}

type attemptRecord struct {
	Route struct {
		Kind   string      `json:"kind"`
		Cached bool        `json:"cached"`
		Stale  bool        `json:"stale"`
		Took   jsonSeconds `json:"seconds"`
		Hosts  []string    `json:"hosts"`
	} `json:"route"`
	Start  time.Time    `json:"start"`
	Reused bool         `json:"reused"`
	Steps  []stepRecord `json:"steps"`
}

type stepRecord struct {
	statusRecord
	Phase string      `json:"phase"`
	At    jsonSeconds `json:"at"`
	Host  string      `json:"host"`
}

// jsonSeconds is a span written in seconds.
type jsonSeconds float64

func (s jsonSeconds) duration() time.Duration {
	const limit = 1e9 // seconds; far below what a Duration holds
	us := min(max(float64(s), 0), limit) * 1e6
	return time.Duration(us+0.5) * time.Microsecond
}

// eventID is an ID in a line; 0 if the member is not there.
type eventID message.ID

// UnmarshalText reads an ID as it is printed.
func (id *eventID) UnmarshalText(b []byte) error {
	parsed, err := message.ParseID(string(b))
	*id = eventID(parsed)
	return err
}

// ParseEvent reads one line of FormatJSON. Members it does not know are ignored, so that an old
// program reads a newer log. The error wraps ErrBadEvent.
func ParseEvent(line []byte) (Event, error) {
	var r eventRecord
	if err := json.Unmarshal(line, &r); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrBadEvent, err)
	}
	typ, ok := eventTypeOf(r.Type)
	if !ok {
		return Event{}, fmt.Errorf("%w: unknown type %.40q", ErrBadEvent, r.Type)
	}
	return Event{
		Type: typ, ID: message.ID(r.ID), Sender: r.Sender, Recipient: r.Recipient, Recipients: r.Recipients,
		Domain: r.Queue, Site: r.Site, Tenant: r.Tenant, Class: classOf(r.Class), Size: r.Size,
		Status: r.Response.status(), Command: r.Response.Command,
		PeerName: r.Peer.Name, PeerAddr: r.Peer.Addr, HELO: r.HELO,
		Timestamp: r.Timestamp, Created: r.Created, Attempts: r.Attempts, NextDue: r.NextDue,
		Source: r.Source, Pool: r.Pool, Protocol: r.Protocol, Reception: r.Reception,
		TLSVersion: r.TLSVersion, TLSCipher: r.TLSCipher, SessionID: r.SessionID,
		MessageID: r.MessageID, Listener: r.Listener, AuthName: r.AuthName, Checks: r.Checks, DKIM: r.DKIM,
		Delays: Delays{r.Delays[0].duration(), r.Delays[1].duration(), r.Delays[2].duration(), r.Delays[3].duration()},
		Detail: r.Attempt.detail(), Classification: r.Classification,
		Relates: message.ID(r.Relates), Removed: r.Removed,
	}, nil
}

func (s *statusRecord) status() message.Status {
	e := s.Enhanced
	return message.Status{
		Code: s.Code, Enhanced: message.EnhancedCode{e.Class, e.Subject, e.Detail},
		Text: s.Content, Remote: s.Remote,
	}
}

func (a *attemptRecord) detail() *Detail {
	if a == nil {
		return nil
	}
	d := &Detail{Start: a.Start, Reused: a.Reused, Route: RouteDetail{
		Kind: a.Route.Kind, Cached: a.Route.Cached, Stale: a.Route.Stale,
		Took: a.Route.Took.duration(), Hosts: a.Route.Hosts,
	}}
	for _, s := range a.Steps {
		d.Steps = append(d.Steps, Step{Phase: s.Phase, At: s.At.duration(), Host: s.Host, Status: s.status()})
	}
	return d
}

func eventTypeOf(name string) (EventType, bool) {
	for t, n := range eventNames {
		if n == name {
			return EventType(t), true
		}
	}
	return 0, false
}

func classOf(name string) message.Class {
	for c := range message.NumClasses {
		if c.String() == name {
			return c
		}
	}
	return message.ClassNormal
}

// stampInLine finds the time of the first event in b without reading all of it.
func stampInLine(b []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(b, []byte(`"timestamp":"`))
	if !ok || len(rest) < len(stampLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(stampLayout, string(rest[:len(stampLayout)]))
	return t, err == nil
}
