package smtp

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var clientBenchSink = flag.String("sink", "", "address of a server to send the client's benchmarks to, instead of one in this process")

// benchSink takes everything as fast as it comes, with the least work.
func benchSink(b *testing.B, offers string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go benchTake(conn, offers)
		}
	}()
	return l.Addr().String()
}

func benchTake(conn net.Conn, offers string) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	w := bufio.NewWriter(conn)
	w.WriteString("220 sink\r\n")
	inData := false
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil:
			return
		case inData:
			if len(line) == 3 && line[0] == '.' {
				inData = false
				w.WriteString("250 2.0.0 Ok: queued as 0123456789\r\n")
			}
		case bytes.HasPrefix(line, []byte("EHLO")):
			w.WriteString("250-sink\r\n" + offers + "\r\n")
		case bytes.HasPrefix(line, []byte("DATA")):
			inData = true
			w.WriteString("354 End data with <CR><LF>.<CR><LF>\r\n")
		case bytes.HasPrefix(line, []byte("BDAT")):
			n, _ := strconv.Atoi(strings.Fields(string(line))[1])
			io.CopyN(io.Discard, r, int64(n))
			w.WriteString("250 2.0.0 Ok: queued as 0123456789\r\n")
		default:
			w.WriteString("250 2.1.0 Ok\r\n")
		}
	}
}

// BenchmarkClientSend sends messages one behind the other over loopback TCP. cpu-us/op is the CPU time
// of this process: with -sink=host:port that is the client's alone, for example beside
//
//	smtp-sink -c 127.0.0.1:2600 1000
func BenchmarkClientSend(b *testing.B) {
	for _, size := range []int{4 << 10, 100 << 10, 1 << 20} {
		for _, mode := range []string{"250 PIPELINING", "250-PIPELINING\r\n250 CHUNKING", "250 8BITMIME"} {
			name := map[byte]string{'P': "pipelining", '8': "lock-step"}[mode[4]]
			if strings.Contains(mode, "CHUNKING") {
				name = "chunking"
			}
			if *clientBenchSink != "" && name != "pipelining" || size > 64<<10 && name == "chunking" {
				continue
			}
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, name), func(b *testing.B) {
				addr := *clientBenchSink
				if addr == "" {
					addr = benchSink(b, mode)
				}
				benchSend(b, addr, size)
			})
		}
	}
}

func benchSend(b *testing.B, addr string, size int) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := clientGreeted(b, conn, ClientConfig{})
	line := strings.Repeat("x", 76) + "\r\n"
	content := strings.Repeat(line, size/len(line))
	txs := []*Transaction{clientTx(content, "bob@y.test"), clientTx(content, "eve@y.test")}
	offered, sent := 0, 0
	next := func() *Transaction { offered++; return txs[offered%2] }
	next()
	cpu := benchCPU()
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		more := next
		if offered >= b.N {
			more = nil
		}
		sent++
		if sent > offered {
			next()
		}
		if res := c.Send(ctx, txs[sent%2], more); !res.Recipients[0].Positive() {
			b.Fatal(res.Err)
		}
	}
	b.ReportMetric(float64((benchCPU()-cpu).Microseconds())/float64(b.N), "cpu-us/op")
}

func benchCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
