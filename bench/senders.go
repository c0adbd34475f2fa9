package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// senders are the domains that a load comes from: what they have published, and the signatures that they put on their
// mail. Nearly all signatures in the wild are of RSA keys with 2,048 bits, and so are these.
type senders struct {
	load   Load
	keys   []*dkim.Key
	fields [][]byte // the signature of each message
}

const (
	recordTTL = 300 // seconds
	// senderKeys is how many keys the domains share: those of a few mail services.
	senderKeys = 4
	// listZones are the DNSBLs; nobody is on them.
	listZoneOne, listZoneTwo = "bl.bench.test", "zen.bench.test"
)

// newSenders makes the keys, and signs every message of the load beforehand: a signature belongs to one message, and
// making it costs tens of times what checking it does.
func newSenders(ctx context.Context, l Load, progress func(int64)) (*senders, error) {
	s := &senders{load: l}
	if !l.Signed {
		return s, nil
	}
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	ring, err := dkim.NewKeyring(s.keys, "")
	if err != nil {
		return nil, err
	}
	signer, err := dkim.NewSigner(ring, dkim.Options{})
	if err != nil {
		return nil, err
	}
	s.fields = make([][]byte, l.Messages)
	workers := runtime.GOMAXPROCS(0)
	group, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	for w := range workers {
		group.Go(func() error {
			maker, now := newLettersOf(l.Size, l.Senders), time.Now()
			for i := w; i < l.Messages; i += workers {
				n := l.First + uint64(i)
				signed, err := signer.Sign(maker.make(n), senderDomain(n, l.Senders), now)
				if err != nil || ctx.Err() != nil {
					return fmt.Errorf("signing message %d: %w", n, errors.Join(err, ctx.Err()))
				}
				s.fields[i] = signed.Fields
				progress(done.Add(1))
			}
			return nil
		})
	}
	return s, group.Wait()
}

func (s *senders) makeKeys() error {
	shared := make([]*dkim.PrivateKey, min(senderKeys, s.domains()))
	for i := range shared {
		var err error
		if shared[i], err = dkim.GenerateThreePrimes(); err != nil {
			return err
		}
	}
	for i := range s.domains() {
		s.keys = append(s.keys, &dkim.Key{
			Domain: senderDomain(uint64(i), s.load.Senders), Selector: "bench", State: dkim.Active, Private: shared[i%len(shared)],
		})
	}
	return nil
}

func (s *senders) domains() int { return max(1, s.load.Senders) }

// above is what stands above message n.
func (s *senders) above(n uint64) []byte {
	if i := n - s.load.First; i < uint64(len(s.fields)) {
		return s.fields[i]
	}
	return nil
}

// records are what the domains and the clients' networks have in the DNS: each domain lets the networks send, by a
// record of its mail service, and wants all else refused; each client has a name that leads back.
func (s *senders) records() []string {
	lines := []string{fmt.Sprintf(`_spf.%s. %d IN TXT "v=spf1 ip4:198.18.0.0/16 -all"`, SenderDomain, recordTTL)}
	for i := range s.domains() {
		d := senderDomain(uint64(i), s.load.Senders)
		lines = append(lines,
			fmt.Sprintf(`%s. %d IN TXT "v=spf1 a:mail.%s include:_spf.%s -all"`, d, recordTTL, d, SenderDomain),
			fmt.Sprintf(`_dmarc.%s. %d IN TXT "v=DMARC1; p=reject"`, d, recordTTL))
	}
	for _, k := range s.keys {
		lines = append(lines, k.ZoneLine(recordTTL))
	}
	for i := range s.load.Clients {
		addr := clientAddr(i)
		name := fmt.Sprintf("out%d.load.%s.", i, SenderDomain)
		reverse, _ := dns.ReverseAddr(netip.MustParseAddr(addr).String())
		lines = append(lines,
			fmt.Sprintf("%s %d IN PTR %s", reverse, recordTTL, name),
			fmt.Sprintf("%s %d IN A %s", name, recordTTL, addr))
	}
	return lines
}

// zones are those in which nothing else is.
func (s *senders) zones() []string { return []string{listZoneOne, listZoneTwo} }
