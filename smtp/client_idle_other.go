//go:build !unix

package smtp

import "net"

// clientPeek cannot tell here.
func clientPeek(*net.TCPConn) (quiet bool) { return false }
