package pop3

import "strconv"

// stat answers STAT (RFC 1939 5).
func (c *conn) stat() {
	c.say("+OK ")
	c.sayNumbers(int64(c.drop.left), c.drop.bytes, "\r\n")
}

// sayMaildrop tells what there is: "+OK Maildrop has" or the like goes before it.
func (c *conn) sayMaildrop(before string) {
	c.say(before + strconv.Itoa(c.drop.left) + " messages (" + strconv.FormatInt(c.drop.bytes, 10) + " octets)\r\n")
}

// list answers LIST (RFC 1939 5). A size is that of the message as it is stored: dots that are doubled on
// the wire do not count (RFC 1939 11), nor does the line end that RETR adds to a message that ends in none.
func (c *conn) list(arg []byte) {
	if len(arg) > 0 {
		if e, n := c.message(arg); e != nil {
			c.say("+OK ")
			c.sayNumbers(int64(n), e.size, "\r\n")
		}
		return
	}
	c.sayMaildrop("+OK ")
	c.listing(func(e *entry, n int) { c.sayNumbers(int64(n), e.size, "\r\n") })
}

// uidl answers UIDL (RFC 1939 7).
func (c *conn) uidl(arg []byte) {
	if len(arg) > 0 {
		if e, n := c.message(arg); e != nil {
			c.say("+OK ")
			c.sayID(e, n)
		}
		return
	}
	c.say(replyUIDL)
	c.listing(c.sayID)
}

func (c *conn) sayID(e *entry, n int) {
	line := strconv.AppendInt(c.out.AvailableBuffer(), int64(n), 10)
	line = append(line, ' ')
	line = c.drop.uniqueID(line, e)
	line = append(line, "\r\n"...)
	_, _ = c.out.Write(line)
}

// listing says a line for each message that is not marked, and the end.
func (c *conn) listing(say func(e *entry, n int)) {
	const line = 32 // octets, about
	c.bulk(int64(c.drop.left) * line)
	defer c.settle()
	for i := range c.drop.entries {
		if c.done {
			return // nobody reads
		}
		if e := &c.drop.entries[i]; !e.marked {
			say(e, i+1)
		}
	}
	c.say(replyListEnd)
}

// message returns the message that the argument is the number of, or refuses.
func (c *conn) message(arg []byte) (e *entry, n int) {
	n, ok := parseNumber(arg)
	switch {
	case !ok:
		c.refuse(replySyntaxOne)
	case n < 1 || n > len(c.drop.entries):
		c.refuse(replyNoMessage)
	case c.drop.entries[n-1].marked:
		c.refuse(replyDeleted)
	default:
		return &c.drop.entries[n-1], n
	}
	return nil, 0
}

// dele answers DELE (RFC 1939 5): it only marks.
func (c *conn) dele(arg []byte) {
	if e, _ := c.message(arg); e != nil {
		c.drop.mark(e)
		c.say(replyMarked)
	}
}

// rset answers RSET (RFC 1939 5).
func (c *conn) rset() {
	c.drop.unmarkAll()
	c.sayMaildrop(replyMaildrop)
}
