// Package smtptest has peers for tests of anything that speaks SMTP as a client.
//
//   - Server answers as a script says and records what it took:
//
//     peer := smtptest.Start(t, `
//     EHLO        -> 250-PIPELINING|250 CHUNKING
//     RCPT bob    -> 451 4.7.1 try later
//     DOT once    -> 421 4.3.2 going down then close
//     `)
//     conn := peer.Dial() // or net.Dial("tcp", peer.Addr())
//     … deliver something over conn, then look at peer.Messages() and peer.Transcript().
//
//   - Pipe is a connection in memory that has buffers, as a socket has and net.Pipe has not.
//
//   - Faulty makes a connection break, stall or split its reads and writes, as told.
//
//   - Slow puts a long line between two ends.
//
//   - TLSConfigs makes a certificate for a test.
//
// All of it is deterministic, and works inside testing/synctest as long as no TCP is used.
package smtptest
