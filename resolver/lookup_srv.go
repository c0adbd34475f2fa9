package resolver

import (
	"context"
	"fmt"
	"net"

	"github.com/miekg/dns"
)

// LookupSRV returns the SRV records of name (RFC 2782), which begins with the service and the protocol: "_imaps._tcp.example.com".
// The target of a service that is not there is ".".
func (r *Resolver) LookupSRV(ctx context.Context, name string) ([]*net.SRV, error) {
	a, err := r.ask(ctx, name, dns.TypeSRV, true)
	if err != nil {
		return nil, err
	}
	out := make([]*net.SRV, 0, len(a.texts))
	for _, text := range a.texts {
		srv := new(net.SRV)
		if _, err := fmt.Sscanf(text, srvForm, &srv.Priority, &srv.Weight, &srv.Port, &srv.Target); err == nil {
			out = append(out, srv)
		}
	}
	return out, nil
}

// srvForm is how an answer keeps an SRV record among its texts: few are ever asked for, and each answer of the cache would
// pay for a field of their own.
const srvForm = "%d %d %d %s"

// addService adds an SRV record. A target that is no host name is passed over, but for the root.
func (a *answer) addService(rr *dns.SRV) {
	target := canonical(rr.Target)
	if len(a.texts) < maxNames && (target == "" || checkName(target) == nil) {
		a.texts = append(a.texts, fmt.Sprintf(srvForm, rr.Priority, rr.Weight, rr.Port, target+"."))
	}
}
