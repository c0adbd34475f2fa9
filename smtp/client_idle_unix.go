//go:build unix

package smtp

import (
	"net"
	"syscall"
)

// clientPeek looks at the socket without taking anything off it or waiting.
func clientPeek(conn *net.TCPConn) (quiet bool) {
	rc, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	err = rc.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK // Go's sockets do not block
		return true
	})
	return quiet && err == nil
}
