package relay

import (
	"errors"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
)

// tooWide deals with content that the host does not take as it is: it has 8-bit characters, and 8BITMIME is not
// offered (RFC 6152 3). It is converted for this attempt alone, or the attempt ends: then tooWide returns true.
//
// A host that offers SMTPUTF8 has to offer 8BITMIME too (RFC 6531 3.1), so where only the word is missing it is
// believed. A message that came with SMTPUTF8 and can be converted has nothing beyond ASCII in its headers: it
// needs SMTPUTF8 no more. Whether one that cannot be converted may go, and what to say if not, the client knows.
func (w *worker) tooWide(a *attempt) bool {
	env := a.lease.Envelope
	if env.Body == message.Body7Bit && !env.UTF8 {
		return false // known since it was accepted
	}
	ext := w.peer.client.Extensions()
	wants8Bit, wantsUTF8 := !ext.EightBit && !ext.SMTPUTF8, env.UTF8 && !ext.SMTPUTF8
	if !wants8Bit && !wantsUTF8 || w.limits.EightBit == policy.EightBitSend || !message.Has8Bit(a.content) {
		return false
	}
	why := "mail for it is not to be converted here"
	if w.limits.EightBit == policy.EightBitConvert {
		content, err := message.ToSevenBit(a.content)
		if err == nil {
			a.memory.grow(int64(len(content)))
			a.content = content
			return false
		}
		var reason message.Unconvertible
		errors.As(err, &reason)
		why = "it cannot be converted: " + string(reason)
	}
	if wantsUTF8 {
		return false
	}
	// X.6.3 is for just this: a gateway that cannot downgrade what the next hop cannot take (RFC 3463 3.7).
	w.lane.relay.finish(a.all(localStatus(554, message.EnhancedCode{5, 6, 3},
		"the message has characters beyond ASCII, "+w.peer.host+" does not take them (no 8BITMIME), and "+why)))
	return true
}

// grow adds to a claim what its content has become larger by, also beyond the bound: to wait for memory while holding
// some would be to wait for each other. Mail that comes after waits the longer for it.
func (c *claim) grow(bytes int64) {
	c.pool.taken.Add(bytes)
	c.share.bytes.Add(bytes)
	c.bytes += bytes
}
