package pop3

import (
	"context"
	"time"
)

// updateTime bounds the removal of messages. The store does it in one write, which takes a sync.
const updateTime = time.Minute

// update answers QUIT after the login (RFC 1939 6): it removes all messages that are marked, or none. Those
// that another session has removed meanwhile are no failure. The maildrop is given back before the answer,
// so that a client that has read it can have the next session at once.
func (c *conn) update() {
	defer func() { c.done = true }()
	c.ending = "quit"
	uids := c.drop.marked()
	if len(uids) == 0 {
		c.drop.close()
		c.say(replyBye)
		return
	}
	// A client that sent everything in one go may have vanished. What it did not take it wants to find again.
	if c.out.Flush() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, updateTime)
	defer cancel()
	gone, err := c.drop.folder.Expunge(ctx, uids)
	c.drop.close()
	if err != nil {
		c.srv.metrics.updateFailures.Add(1)
		c.storeFailed("removing messages", c.owner.Account(), err)
		c.say(replyNotRemoved)
		return
	}
	c.drop.removed = len(gone)
	c.srv.metrics.deleted.Add(uint64(len(gone)))
	c.say(replyBye)
}
