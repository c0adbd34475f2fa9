// Package milter has outside programs look at a message before it is accepted: rspamd, opendkim, clamav-milter and
// whatever else speaks Sendmail's mail filter protocol (version 2 to 6).
//
// A Scanner is one such program, a Chain several in order. The whole message is shown in one go when its content is
// complete, so a filter that objects to a single recipient objects to the message. What comes back is a Verdict: what
// to answer the client, and the message as the filter wants it. It is advice: the caller acts on it.
//
// A filter is trusted to decide about mail and with nothing else. What it sends is bounded in time and size, cannot
// end a reply line or a header early, and a filter that breaks the protocol counts as one that failed.
//
// The constants of the protocol are those of emersion/go-milter, the wire is our own: the client of that library
// sends a packet a write, cannot be told of a context, keeps no connection for the next message (SMFIC_QUIT_NC),
// leaves out DATA, and bounds neither the progress reports nor the changes that a filter may send.
package milter
