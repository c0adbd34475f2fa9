// Package pop3 serves the INBOX of a mailbox over POP3 (RFC 1939), with CAPA and response codes (RFC 2449,
// RFC 3206), STLS (RFC 2595), AUTH (RFC 5034) and UTF8 (RFC 6856).
//
// A session has the maildrop for itself; IMAP sessions and deliveries go on beside it. When it logs in it
// numbers the messages that are there, and these numbers stay. A message that is expunged over IMAP meanwhile
// keeps its number and cannot be fetched any more. DELE only marks: QUIT removes all that is marked in one
// write, or says that it removed nothing. A session that ends in any other way removes nothing.
//
// Each connection is one goroutine. Replies to pipelined commands are gathered, and written before the
// next wait for input.
package pop3
