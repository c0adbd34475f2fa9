package smtp

import "time"

// clientDeadline keeps one direction's deadline from being set more often than it needs to be. A
// deadline that is up to an eighth of the timeout late is left as it is.
type clientDeadline struct{ armed time.Time }

// due returns the deadline to set for a wait that begins now; ok is false if the present one serves.
func (d *clientDeadline) due(now time.Time, timeout time.Duration) (at time.Time, ok bool) {
	slack := timeout / 8
	want := now.Add(timeout)
	if !d.armed.Before(want) && !d.armed.After(want.Add(slack)) {
		return time.Time{}, false
	}
	d.armed = want.Add(slack)
	return d.armed, true
}

// armRead sets the deadline of the next wait for a reply.
func (c *Client) armRead(timeout time.Duration) {
	if at, ok := c.readBy.due(time.Now(), timeout); ok {
		c.conn.SetReadDeadline(at)
		if c.watch.err() != nil { // it may have ended before the line above undid that
			c.conn.SetReadDeadline(clientLongAgo())
		}
	}
}

// armWrite sets the deadline of the next write.
func (c *Client) armWrite() {
	if at, ok := c.writeBy.due(time.Now(), c.cfg.Timeouts.DataBlock); ok {
		c.conn.SetWriteDeadline(at)
		if c.watch.err() != nil {
			c.conn.SetWriteDeadline(clientLongAgo())
		}
	}
}

// disarm forgets what is set, for whoever changed the deadlines in another way.
func (c *Client) disarm() { c.readBy, c.writeBy = clientDeadline{}, clientDeadline{} }
