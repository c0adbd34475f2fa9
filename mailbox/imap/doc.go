// Package imap is the IMAP server of local mail: IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051) over a
// mailbox.Store.
//
//	client ── link ── door ── gate ── imapserver.Conn ── session ── mailbox.Folder
//	          octets  until   whole    parses and         what the
//	          and TLS login   commands dispatches         commands do
//
// The commands are parsed by emersion/go-imap's imapserver, which is a beta. Two storeys of ours stand before it.
// The door speaks with a client until it has logged in; so strangers never reach the library. The gate
// reads one whole command at a time, within limits, refuses what the library would misread, turns literals
// into quoted strings, and answers what the library does not know.
//
// A session keeps the UIDs of the selected folder as its client knows them, and compares them with the folder
// when the client may be told of changes. Nothing is queued for a client, so one that never reads costs nothing
// but its connection.
package imap
