package inbound

import (
	"context"
	"net/netip"
	"sync"

	"github.com/posthaste-mta/posthaste/policy/dmarc"
)

// Session is what is known of the SMTP session that a message comes by.
type Session struct {
	Addr netip.Addr // of the client
	HELO string
	// MailFrom is the return path without angle brackets, its domain in lower case and as A-labels; "" for the null one.
	MailFrom string
	// Client and SPF are results from earlier in the session; nil: not yet checked.
	Client *Client
	SPF    *SPF
	// Sender is taken over if it is there.
	Sender *Sender
}

// Results is all that the checks of one message found.
type Results struct {
	Client Client
	Sender Sender // zero if it was not checked
	SPF    SPF
	DKIM   DKIM
	DMARC  DMARC
}

// Check checks a message, all at once and within the configured time; what is not known by then is
// a temporary error. It does not change content or keep it.
func (c *Checker) Check(ctx context.Context, s Session, content []byte) Results {
	p := withPatience(ctx, c.cfg.Timeout)
	defer p.end()
	var res Results
	var running sync.WaitGroup
	if s.Sender != nil {
		res.Sender = *s.Sender
	}
	if s.Client != nil {
		res.Client = *s.Client
	} else {
		running.Go(func() { res.Client = c.Client(p, s.Addr) })
	}
	// The author's domain is judged only by what SPF and DKIM have proven.
	var proof sync.WaitGroup
	if s.SPF != nil {
		res.SPF = *s.SPF
	} else {
		proof.Go(func() { res.SPF = c.SPF(p, s) })
	}
	res.DKIM = c.DKIM(p, content)
	proof.Wait()
	res.DMARC = c.author(p, content, res.SPF, res.DKIM)
	running.Wait()
	return res
}

// DMARC is the verdict on the author's domain.
type DMARC struct {
	dmarc.Result
	// Reason says why there is no better result.
	Reason string
}

// author judges the From field.
func (c *Checker) author(ctx context.Context, content []byte, spf SPF, dkim DKIM) DMARC {
	authors, err := dmarc.Authors(content)
	if err != nil {
		return DMARC{dmarc.Result{Value: dmarc.PermError}, err.Error()}
	}
	m := dmarc.Message{Authors: authors}
	if spf.Value == Pass || spf.Value == TempError {
		m.SPF = &dmarc.Identifier{Domain: spf.Domain, Uncertain: spf.Value != Pass}
	}
	for _, s := range dkim.Signatures {
		if s.Value == Pass || s.Value == TempError {
			m.DKIM = append(m.DKIM, dmarc.Identifier{Domain: s.Domain, Uncertain: s.Value != Pass})
		}
	}
	res := DMARC{Result: dmarc.Evaluate(ctx, c.cfg.Resolver, m)}
	if res.Err != nil {
		res.Reason = res.Err.Error()
	}
	return res
}
