package relay

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/queue"
)

// What a host has taken is recorded, though we ended before it was given the rest of the recipients.
func TestEndBetweenTransactionsOfAMessage(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.limits.RecipientsPerTransaction, s.limits.NoPipelining = 1, true
		s.relay.SetPolicy(s.shaped())
		dial := s.relay.cfg.Dial
		s.relay.cfg.Dial = func(ctx context.Context, source policy.Source, addr netip.AddrPort) (net.Conn, error) {
			conn, err := dial(ctx, source, addr)
			return &abortingConn{conn, s.relay}, err
		}
		s.submit([]string{"from=", "to=a@x.test,b@x.test"}, nil)
		err := <-s.ended
		s.ended <- err // for stop
		audit, err := s.queue.Audit(context.Background())
		if err != nil || audit.Ended[message.Delivered] != 1 || audit.Queued != 1 {
			t.Errorf("%+v, %v", audit, err)
		}
		s.noneHeld()
		if n := s.queue.Metrics().Recipients[queue.InFlight]; n != 0 {
			t.Errorf("%d are still lent", n)
		}
	})
}

// abortingConn ends the relay with the reply to the first content.
type abortingConn struct {
	net.Conn
	relay *Relay
}

func (c *abortingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if bytes.Contains(b[:n], []byte("taken")) {
		c.relay.Abort()
	}
	return n, err
}
