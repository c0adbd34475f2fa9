package policy

import (
	"cmp"
	"fmt"
	"time"
)

// TLSPolicy says what a delivery demands of TLS.
type TLSPolicy uint8

const (
	TLSOpportunistic TLSPolicy = iota // use it when offered, whatever the certificate (RFC 7435)
	TLSNone                           // never
	TLSEncrypt                        // demand it, whatever the certificate
	TLSVerify                         // demand it with a valid certificate
	numTLSPolicies
)

var tlsPolicyNames = [numTLSPolicies]string{"opportunistic", "none", "encrypt", "verify"}

// String returns the policy's name in the configuration.
func (p TLSPolicy) String() string {
	if p >= numTLSPolicies {
		return fmt.Sprintf("TLSPolicy(%d)", uint8(p))
	}
	return tlsPolicyNames[p]
}

// UnmarshalText reads a name as String returns it.
func (p *TLSPolicy) UnmarshalText(text []byte) error {
	for i, name := range tlsPolicyNames {
		if string(text) == name {
			*p = TLSPolicy(i)
			return nil
		}
	}
	return fmt.Errorf("policy: TLS policy %.40q is none of none, opportunistic, encrypt, verify", text)
}

// MarshalText writes what String returns.
func (p TLSPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Limits says how hard one lane, a source to a site, may press.
type Limits struct {
	Connections              int           // open at once
	MessagesPerConnection    int           // then it is closed; 0 means no limit
	RecipientsPerTransaction int           // RCPT commands of one message
	MessagesPerSecond        float64       // started; 0 means no limit
	Burst                    int           // messages that may start at once under MessagesPerSecond
	IdleTimeout              time.Duration // a connection without work is kept for so long
	ConnectTimeout           time.Duration // for each address tried
	TLS                      TLSPolicy
	EightBit                 EightBit
	Port                     uint16 // of hosts found by MX; 0 means what the resolver says
	NoPipelining             bool   // leave PIPELINING unused though it is offered
	NoChunking               bool   // leave CHUNKING unused though it is offered
	Phases                   PhaseTimeouts
}

// PhaseTimeouts bound the wait in each phase of a dialogue (RFC 5321 4.5.3.2); 0 means the least that
// the RFC wants.
type PhaseTimeouts struct {
	Greeting, EHLO, StartTLS, Mail, Rcpt, DataInit, DataBlock, DataEnd, Quit time.Duration
}

// over returns t with those of p that are not 0.
func (p PhaseTimeouts) over(t PhaseTimeouts) PhaseTimeouts {
	return PhaseTimeouts{
		Greeting: cmp.Or(p.Greeting, t.Greeting), EHLO: cmp.Or(p.EHLO, t.EHLO), StartTLS: cmp.Or(p.StartTLS, t.StartTLS),
		Mail: cmp.Or(p.Mail, t.Mail), Rcpt: cmp.Or(p.Rcpt, t.Rcpt), DataInit: cmp.Or(p.DataInit, t.DataInit),
		DataBlock: cmp.Or(p.DataBlock, t.DataBlock), DataEnd: cmp.Or(p.DataEnd, t.DataEnd), Quit: cmp.Or(p.Quit, t.Quit),
	}
}

// DefaultLimits is what holds where nothing is configured. 100 recipients is what every host must
// take (RFC 5321 4.5.3.1.8).
func DefaultLimits() Limits {
	return Limits{
		Connections:              20,
		MessagesPerConnection:    100,
		RecipientsPerTransaction: 100,
		Burst:                    1,
		IdleTimeout:              5 * time.Second,
		ConnectTimeout:           30 * time.Second,
	}
}

// Validate tells what in configured limits cannot be meant.
func (l Limits) Validate() error {
	switch {
	case l.Connections < 1:
		return fmt.Errorf("policy: connections %d: at least 1 is needed; hold a domain to stop it", l.Connections)
	case l.MessagesPerConnection < 0:
		return fmt.Errorf("policy: messages per connection %d is less than 0, which means no limit", l.MessagesPerConnection)
	case l.RecipientsPerTransaction < 1:
		return fmt.Errorf("policy: recipients per transaction %d is less than 1", l.RecipientsPerTransaction)
	case !(l.MessagesPerSecond >= 0 && l.MessagesPerSecond <= 1e9): // so written, NaN fails too
		return fmt.Errorf("policy: messages per second %v is not from 0 to 1e9", l.MessagesPerSecond)
	case l.MessagesPerSecond > 0 && l.Burst < 1:
		return fmt.Errorf("policy: burst %d is less than 1", l.Burst)
	case l.IdleTimeout < 0 || l.ConnectTimeout <= 0:
		return fmt.Errorf("policy: idle timeout %v or connect timeout %v too small", l.IdleTimeout, l.ConnectTimeout)
	case l.TLS >= numTLSPolicies:
		return fmt.Errorf("policy: %v is no TLS policy", l.TLS)
	case l.EightBit >= numEightBits:
		return fmt.Errorf("policy: %v is no way with 8-bit content", l.EightBit)
	}
	return nil
}

// PartialLimits is Limits of which only those that are set count; nil means not set.
type PartialLimits struct {
	Connections              *int
	MessagesPerConnection    *int
	RecipientsPerTransaction *int
	MessagesPerSecond        *float64
	Burst                    *int
	IdleTimeout              *time.Duration
	ConnectTimeout           *time.Duration
	TLS                      *TLSPolicy
	EightBit                 *EightBit
	Port                     *uint16
	NoPipelining, NoChunking *bool
	Phases                   PhaseTimeouts // those that are 0 are not set
}

// over returns l with what p sets.
func (p *PartialLimits) over(l Limits) Limits {
	set(&l.Connections, p.Connections)
	set(&l.MessagesPerConnection, p.MessagesPerConnection)
	set(&l.RecipientsPerTransaction, p.RecipientsPerTransaction)
	set(&l.MessagesPerSecond, p.MessagesPerSecond)
	set(&l.Burst, p.Burst)
	set(&l.IdleTimeout, p.IdleTimeout)
	set(&l.ConnectTimeout, p.ConnectTimeout)
	set(&l.TLS, p.TLS)
	set(&l.EightBit, p.EightBit)
	set(&l.Port, p.Port)
	set(&l.NoPipelining, p.NoPipelining)
	set(&l.NoChunking, p.NoChunking)
	l.Phases = p.Phases.over(l.Phases)
	return l
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
