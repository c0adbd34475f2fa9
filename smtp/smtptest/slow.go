package smtptest

import (
	"net"
	"time"
)

// slowWindow is how many pieces a Slow connection holds on their way in one direction.
const slowWindow = 4096

// Slow returns a connection that leads to conn over a long line: what is written arrives after delay,
// in either direction, so that a round trip takes twice that. It closes conn when it is closed.
func Slow(conn net.Conn, delay time.Duration) net.Conn {
	near, far := Pipe()
	go carry(far, conn, delay)
	go carry(conn, far, delay)
	return near
}

// carry moves bytes until either end is closed, and then closes both.
func carry(to, from net.Conn, delay time.Duration) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	line := make(chan piece, slowWindow)
	go func() {
		defer close(line)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				line <- piece{buf[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	failed := false
	for p := range line {
		time.Sleep(time.Until(p.due))
		if !failed {
			_, err := to.Write(p.bytes)
			failed = err != nil
		}
	}
	to.Close()
}
