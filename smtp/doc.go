// Package smtp speaks SMTP (RFC 5321), both sides of it. It knows the wire and neither policy nor
// queue.
//
// # Server
//
// A connection's way through a [Server], by file:
//
//	server.go              accepts it
//	server_conn.go         runs the dialogue on it, one goroutine
//	server_greet.go        PROXY header, TLS, the Session, the greeting, EHLO, STARTTLS
//	server_io.go           reads commands, writes replies in batches, sets deadlines
//	server_command.go      tells commands apart
//	server_transaction.go  MAIL and RCPT, with server_path.go and server_params.go
//	server_data.go         DATA, with server_dots.go; or server_bdat.go, BDAT
//	server_input.go        the one buffer in which all of it stays, lent by budget.go
//
// A Session is that of github.com/emersion/go-smtp, so that the same one runs on that server too.
package smtp
