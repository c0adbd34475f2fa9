package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crashLoad is the clients that bring mail to the relay, several at once. It goes on over restarts: numbers
// are never used twice, so that nothing hides behind a message that was sent again.
type crashLoad struct {
	ledger *ledger
	moment *crashMoments
	clean  bool     // every message is sent to its end
	large  bool     // every message is large
	to     []string // domains of the recipients; nil means those of randomDomains
	seed   uint64
	next   atomic.Int64 // the newest number

	mu       sync.Mutex
	refusals map[string]int // replies to messages that were turned away
}

const crashClients = 6

// randomDomains are where the load goes, by weight.
var randomDomains = []string{
	"take.test", "take.test", "take.test", "defer.test", "drop.test", "drop.test", "refuse.test", "refuse.test", "stuck.test",
}

// send has the clients send messages until they have sent so many or the relay is gone.
func (c *crashLoad) send(addr string, messages int) {
	var left atomic.Int64
	left.Store(int64(messages))
	var clients sync.WaitGroup
	for i := range crashClients {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(c.seed, uint64(c.next.Load()*crashClients)+uint64(i)))
			for left.Load() > 0 {
				if err := c.session(addr, random, &left); err != nil {
					return
				}
			}
		})
	}
	clients.Wait()
}

// crashClient is one connection.
type crashClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// errCutOff is the end of a session by the client's own will.
var errCutOff = errors.New("the client went away in the middle of a message")

// session sends messages over one connection. An error means that the relay is gone.
func (c *crashLoad) session(addr string, random *rand.Rand, left *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	// The relay answers within moments or is dead; nobody waits for ever.
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	client := &crashClient{conn: conn, in: bufio.NewReader(conn)}
	if _, err := client.expect(1); err != nil {
		return err
	}
	if _, err := client.exchange("EHLO client.test\r\n", 1); err != nil {
		return err
	}
	for range 1 + random.IntN(20) {
		if left.Add(-1) < 0 {
			break
		}
		err := c.message(client, random)
		if errors.Is(err, errCutOff) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	_, err = client.exchange("QUIT\r\n", 1)
	return err
}

// compose makes the next letter: one to four recipients, often two of them in one domain.
func (c *crashLoad) compose(random *rand.Rand) *letter {
	x := &letter{n: int(c.next.Add(1))}
	domains := c.to
	if domains == nil {
		domains = randomDomains
	}
	domain := domains[random.IntN(len(domains))]
	for k := range 1 + random.IntN(4) {
		if random.IntN(2) == 0 {
			domain = domains[random.IntN(len(domains))]
		}
		x.rcpts = append(x.rcpts, fmt.Sprintf("r%d.%d@%s", x.n, k, domain))
	}
	return x
}

// message sends one letter and tells the ledger what became of it.
func (c *crashLoad) message(client *crashClient, random *rand.Rand) error {
	x := c.compose(random)
	c.ledger.begin(x)
	var head strings.Builder
	fmt.Fprintf(&head, "MAIL FROM:<%s>\r\n", x.sender())
	for _, r := range x.rcpts {
		fmt.Fprintf(&head, "RCPT TO:<%s>\r\n", r)
	}
	head.WriteString("DATA\r\n")
	replies, err := client.exchange(head.String(), len(x.rcpts)+2)
	if err != nil {
		return err
	}
	if last := replies[len(replies)-1]; !strings.HasPrefix(last, "354") {
		c.turnedAway(x, last)
		return fmt.Errorf("DATA was answered %q", last)
	}
	size := 200 + random.IntN(6000)
	if c.large || random.IntN(50) == 0 {
		size = 200_000
	}
	content := dotStuffed(x.content(size))
	if !c.clean && random.IntN(40) == 0 {
		_, _ = client.conn.Write(content[:len(content)*2/3])
		return errCutOff
	}
	if _, err := client.conn.Write(content); err != nil {
		return err
	}
	c.ledger.became(x, letterAsked)
	if _, err := client.conn.Write([]byte(".\r\n")); err != nil {
		return err
	}
	c.moment.happens(momentDot)
	replies, err = client.expect(1)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(replies[0], "250 2.0.0 Ok: queued as "):
		c.ledger.became(x, letterAccepted)
		c.moment.happens(momentAccepted)
	default:
		c.turnedAway(x, replies[0])
	}
	return nil
}

func (c *crashLoad) turnedAway(x *letter, reply string) {
	c.ledger.became(x, letterTurnedAway)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusals == nil {
		c.refusals = map[string]int{}
	}
	c.refusals[reply]++
}

// refused returns how many messages were turned away, and fails the test if it was not with a reply that
// begins so.
func (c *crashLoad) refused(t *testing.T, reply string) (n int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, count := range c.refusals {
		if !strings.HasPrefix(r, reply) {
			t.Errorf("%d messages were turned away with %q", count, r)
		}
		n += count
	}
	return n
}

// exchange writes lines and reads the replies to all of them.
func (c *crashClient) exchange(lines string, replies int) ([]string, error) {
	if _, err := c.conn.Write([]byte(lines)); err != nil {
		return nil, err
	}
	return c.expect(replies)
}

// expect reads replies and returns the last line of each.
func (c *crashClient) expect(replies int) (out []string, err error) {
	for len(out) < replies {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return out, err
		}
		if len(line) < 4 || line[3] != '-' {
			out = append(out, strings.TrimRight(line, "\r\n"))
		}
	}
	return out, nil
}

func dotStuffed(content []byte) []byte {
	return []byte(strings.ReplaceAll(string(content), "\r\n.", "\r\n.."))
}
