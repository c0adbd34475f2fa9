package smtp

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

var clientUpdate = flag.Bool("update-client", false, "write the dialogues of the client tests anew")

// TestClientDialogues holds what the client puts in flight, and what it makes of the replies, against
// testdata/client. Each file has a script for the peer, the mail to send, one transaction a line,
// and then what came of it: a "flight" is what was written at once.
func TestClientDialogues(t *testing.T) {
	files, _ := filepath.Glob("testdata/client/*.txt")
	if len(files) < 10 {
		t.Fatal("no dialogues")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var script, mail, want string
			for _, f := range ar.Files {
				switch f.Name {
				case "script":
					script = string(f.Data)
				case "mail":
					mail = string(f.Data)
				case "outcome":
					want = string(f.Data)
				}
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = clientDialogue(t, script, mail) })
			if *clientUpdate {
				ar.Files = []txtar.File{{Name: "script", Data: []byte(script)}, {Name: "mail", Data: []byte(mail)}, {Name: "outcome", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// clientDialogue sends mail to a peer with script and tells what happened.
func clientDialogue(t *testing.T, script, mail string) string {
	peer := smtptest.Start(t, script)
	wire := smtptest.Faulty(peer.Dial(), smtptest.Faults{})
	cfg := ClientConfig{Hostname: "client.test"}
	txs := clientParseMail(t, mail, &cfg)
	c := NewClient(clientSettled{wire}, cfg)
	defer c.Close()

	var out strings.Builder
	ctx := context.Background()
	if err := c.Greet(ctx); err != nil {
		fmt.Fprintf(&out, "greet: %v\n", err)
	}
	if c.Err() == nil {
		for i, res := range clientSendAll(ctx, c, txs) {
			fmt.Fprintf(&out, "message %d%s\n", i+1, clientOutcome(txs[i], res))
		}
	}
	if c.Err() == nil {
		c.Quit(ctx)
	}
	for i, f := range wire.Flights() {
		fmt.Fprintf(&out, "flight %d\n", i+1)
		for line := range strings.Lines(f) {
			fmt.Fprintf(&out, "  %s\n", clientShow(line))
		}
	}
	return out.String()
}

// clientSettled lets the peer say all it has to say before a read, so that what the client knows when it fills
// the next flight does not depend on the scheduler.
type clientSettled struct{ net.Conn }

func (c clientSettled) Read(p []byte) (int, error) {
	synctest.Wait()
	return c.Conn.Read(p)
}

// clientSendAll sends txs in order, each offered as the next one as early as the client asks.
func clientSendAll(ctx context.Context, c *Client, txs []*Transaction) (results []Result) {
	offered := 0
	next := func() *Transaction {
		if offered == len(txs) {
			return nil
		}
		offered++
		return txs[offered-1]
	}
	for i, tx := range txs {
		if offered == i {
			if c.Err() != nil {
				break // the rest was never given to this connection
			}
			offered++
		}
		results = append(results, c.Send(ctx, tx, next))
	}
	return results
}

// clientParseMail reads lines such as "from=a@x to=b@y,c@y text=hello", and options of the client.
func clientParseMail(t *testing.T, mail string, cfg *ClientConfig) (txs []*Transaction) {
	for line := range strings.Lines(mail) {
		tx := &Transaction{Envelope: &message.Envelope{}, Content: []byte("hi\r\n")}
		e := tx.Envelope
		for _, word := range strings.Fields(line) {
			key, value, _ := strings.Cut(word, "=")
			switch key {
			case "from":
				e.Sender = value
			case "to":
				for _, addr := range strings.Split(value, ",") {
					tx.Recipients = append(tx.Recipients, message.Recipient{Address: addr})
				}
			case "notify":
				tx.Recipients[0].Notify = message.NotifySuccess | message.NotifyDelay
				tx.Recipients[0].OriginalType, tx.Recipients[0].Original, _ = strings.Cut(value, ";")
			case "text":
				s, err := strconv.Unquote(`"` + value + `"`)
				if err != nil {
					t.Fatal(err)
				}
				tx.Content = []byte(s)
			case "bytes":
				n, _ := strconv.Atoi(value)
				tx.Content = []byte(strings.Repeat("0123456789abcd\r\n", n/16))
			case "utf8":
				e.UTF8 = true
			case "8bit":
				e.Body = message.Body8Bit
			case "requiretls":
				e.RequireTLS = true
			case "envid":
				e.EnvelopeID, e.Return = value, message.ReturnHeaders
			case "lmtp":
				cfg.LMTP = true
			case "nopipelining":
				cfg.DisablePipelining = true
			case "window":
				cfg.Window, _ = strconv.Atoi(value)
			default:
				t.Fatalf("%q in %q", word, line)
			}
		}
		if len(tx.Recipients) > 0 {
			txs = append(txs, tx)
		}
	}
	return txs
}

func clientOutcome(tx *Transaction, res Result) string {
	var b strings.Builder
	if res.Sent {
		b.WriteString(" sent")
	}
	if res.Err != nil {
		fmt.Fprintf(&b, " error: %v", res.Err)
	}
	for i, st := range res.Recipients {
		fmt.Fprintf(&b, "\n  %s: ", tx.Recipients[i].Address)
		switch {
		case st.Code == 0:
			b.WriteString("no reply")
		case !st.Remote:
			b.WriteString("(ours) ")
			fallthrough
		default:
			b.WriteString(strings.ReplaceAll(st.String(), "\n", "|"))
		}
	}
	return b.String()
}

// clientShow makes a line of the wire readable; anything but CRLF at its end shows.
func clientShow(line string) string {
	s, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(s, "\r\n") {
		return strconv.Quote(line)
	}
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return s
}
