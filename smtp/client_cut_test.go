package smtp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/smtp/smtptest"
)

// clientManners is a script in which an address's local part says what happens to it: r550 is
// refused at RCPT, m451 as the sender at MAIL, d452 at DATA or BDAT, t554 at the end of the data, and f554 in LMTP, where
// that is said to each recipient.
const clientManners = `
MAIL m451 -> 451 4.7.1 m451
MAIL m550 -> 550 5.7.1 m550
RCPT r450 -> 450 4.2.0 r450
RCPT r550 -> 550-5.1.1 r550|550 5.1.1 twice
DATA d452 -> 452 4.3.1 d452
BDAT d452 -> 452 4.3.1 d452
DATA x354 -> 354 go, whoever it is for
DOT  t451 -> 451 4.3.0 t451
DOT  t554 -> 554 5.7.1 t554
DOT  f452 -> 452 4.2.2 f452
DOT  f554 -> 554 5.7.1 f554
`

var (
	clientSenders    = []string{"a", "a", "a", "m451", "m550", "d452", "t451", "t554", "x354"}
	clientRecipients = []string{"ok", "ok", "ok", "r450", "r550"}

	lmtpSenders    = []string{"a", "a", "a", "m451", "m550"}
	lmtpRecipients = []string{"ok", "ok", "ok", "r450", "r550", "f452", "f554"}
)

// clientScene is a peer's offers and what it is sent.
type clientScene struct {
	offers string
	cfg    ClientConfig
	txs    []*Transaction
}

// add adds a transaction; its number in the domain tells it from the others.
func (s *clientScene) add(sender string, recipients []string, content string) {
	domain := fmt.Sprintf("@t%d.test", len(s.txs))
	tx := &Transaction{Envelope: &message.Envelope{Sender: sender + domain}, Content: []byte(content)}
	for i, r := range recipients {
		// the number is in the domain so that the script matches by local part
		tx.Recipients = append(tx.Recipients, message.Recipient{Address: fmt.Sprintf("%s@r%d.t%d.test", r, i, len(s.txs))})
	}
	s.txs = append(s.txs, tx)
}

// clientExpected is the code a recipient gets if nothing goes wrong on the way.
func clientExpected(tx *Transaction, recipient string) int {
	sender, _, _ := strings.Cut(tx.Envelope.Sender, "@")
	recipient, _, _ = strings.Cut(recipient, "@")
	code := 250
	fmt.Sscanf(strings.TrimLeft(sender, "dt"), "%d", &code)
	if n := 0; strings.HasPrefix(recipient, "r") || strings.HasPrefix(recipient, "f") {
		fmt.Sscanf(recipient[1:], "%d", &n)
		code = n
	}
	if strings.HasPrefix(sender, "m") {
		fmt.Sscanf(sender, "m%d", &code)
	}
	return code
}

// run plays the scene over a connection with faults, checks what must hold whatever the faults, and
// returns how far the dialogue went in bytes.
func (s *clientScene) run(t rapid.TB, faults smtptest.Faults) (read, written int64) {
	peer, err := smtptest.New("EHLO -> " + s.offers + "\nLHLO -> " + s.offers + clientManners)
	if err != nil {
		t.Fatal(err)
	}
	wire := smtptest.Faulty(peer.Dial(), faults)
	c := NewClient(wire, s.cfg)
	var results []Result
	if c.Greet(context.Background()) == nil {
		results = clientSendAll(context.Background(), c, s.txs)
	}
	c.Close()
	peer.Close()

	took := map[string]string{}
	for _, m := range peer.Messages() {
		for _, r := range m.Recipients {
			if _, twice := took[r.Address]; twice {
				t.Fatalf("%s got its message twice", r.Address)
			}
			took[r.Address] = string(m.Content)
		}
	}
	for i, res := range results {
		s.check(t, s.txs[i], res, took)
	}
	if faults.ReadCut == 0 && faults.WriteCut == 0 && (len(results) != len(s.txs) || results[len(results)-1].Err != nil) {
		t.Fatalf("%d results of %d, the last %+v", len(results), len(s.txs), results[len(results)-1])
	}
	if len(took) > 0 && len(results) == 0 {
		t.Fatal("taken without a result")
	}
	return wire.Bytes()
}

// check holds one result against what the peer took.
func (s *clientScene) check(t rapid.TB, tx *Transaction, res Result, took map[string]string) {
	if len(res.Recipients) != len(tx.Recipients) {
		t.Fatalf("%d statuses for %d recipients", len(res.Recipients), len(tx.Recipients))
	}
	for i, st := range res.Recipients {
		addr := tx.Recipients[i].Address
		content, taken := took[addr]
		switch {
		case st.Code == 0 && res.Err == nil:
			t.Fatalf("%s: no status and no error", addr)
		case st.Code == 0 && taken && !res.Sent:
			t.Fatalf("%s: taken, and not known to be in doubt", addr)
		case st.Code != 0 && st.Code != clientExpected(tx, addr):
			t.Fatalf("%s from %s: %v, want %d", addr, tx.Envelope.Sender, st, clientExpected(tx, addr))
		case st.Positive() != taken && st.Code != 0:
			t.Fatalf("%s: status %v, taken %v", addr, st, taken)
		case taken && content != string(tx.Content):
			t.Fatalf("%s: content %q, want %q", addr, content, tx.Content)
		}
	}
}

// TestClientCutEverywhere cuts the connection at every byte of a dialogue, in either direction.
func TestClientCutEverywhere(t *testing.T) {
	for name, offers := range map[string]string{"lock-step": "250 SIZE", "pipelining": "250 PIPELINING",
		"chunking": "250-PIPELINING|250 CHUNKING", "chunking lock-step": "250 CHUNKING"} {
		t.Run(name, func(t *testing.T) {
			s := &clientScene{offers: offers, cfg: ClientConfig{Hostname: "c.test", Window: 3, ChunkMax: 60, Buffers: NewClientBuffers()}}
			s.add("a", []string{"ok", "r550", "ok"}, "one\r\n.\r\n")
			s.add("m451", []string{"ok", "ok"}, "two\r\n")
			s.add("a", []string{"r450"}, "three\r\n")
			s.add("t554", []string{"ok", "r550"}, strings.Repeat("long\r\n", 12))
			s.add("d452", []string{"ok"}, "five\r\n")
			s.add("a", []string{"ok", "ok"}, "six\r\n")
			s.cutEverywhere(t)
		})
	}
}

func (s *clientScene) cutEverywhere(t *testing.T) {
	read, written := s.run(t, smtptest.Faults{})
	for n := range read + 1 {
		s.run(t, smtptest.Faults{ReadCut: cutAt(n)})
	}
	for n := range written + 1 {
		s.run(t, smtptest.Faults{WriteCut: cutAt(n)})
	}
}

// TestClientLMTPCutEverywhere does so where each recipient has a reply of its own.
func TestClientLMTPCutEverywhere(t *testing.T) {
	for name, offers := range map[string]string{"lock-step": "250 SIZE", "pipelining": "250 PIPELINING",
		"chunking": "250-PIPELINING|250 CHUNKING", "chunking lock-step": "250 CHUNKING"} {
		t.Run(name, func(t *testing.T) {
			s := &clientScene{offers: offers, cfg: ClientConfig{
				Hostname: "c.test", LMTP: true, Window: 3, ChunkMax: 60, Buffers: NewClientBuffers(),
			}}
			s.add("a", []string{"ok", "r550", "f452", "ok"}, "one\r\n.\r\n")
			s.add("m451", []string{"ok", "ok"}, "two\r\n")
			s.add("a", []string{"r450"}, "three\r\n")
			s.add("a", []string{"f554", "r550", "ok"}, strings.Repeat("long\r\n", 12))
			s.add("a", []string{"f554", "f452"}, "five\r\n")
			s.add("a", []string{"ok"}, "six\r\n")
			s.cutEverywhere(t)
		})
	}
}

func cutAt(n int64) int64 {
	if n == 0 {
		return smtptest.CutAtOnce
	}
	return n
}

// TestClientRandomScenes plays random mail over random peers, whole and cut, in odd pieces.
func TestClientRandomScenes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &clientScene{
			offers: rapid.SampledFrom([]string{"250 SIZE", "250 PIPELINING", "250-CHUNKING|250 PIPELINING", "250 CHUNKING"}).Draw(t, "offers"),
			cfg: ClientConfig{Hostname: "c.test", Window: rapid.IntRange(1, 5).Draw(t, "window"),
				ChunkMax: rapid.IntRange(1, 60).Draw(t, "chunkmax")},
		}
		senders, recipients := clientSenders, clientRecipients
		if s.cfg.LMTP = rapid.Bool().Draw(t, "lmtp"); s.cfg.LMTP {
			senders, recipients = lmtpSenders, lmtpRecipients
		}
		for range rapid.IntRange(1, 6).Draw(t, "messages") {
			s.add(rapid.SampledFrom(senders).Draw(t, "sender"),
				rapid.SliceOfN(rapid.SampledFrom(recipients), 1, 4).Draw(t, "recipients"),
				rapid.StringMatching(`((\.|\.\.|ab|.x)\r\n){0,20}`).Draw(t, "content"))
		}
		odd := smtptest.Faults{Odd: rapid.IntRange(0, 40).Draw(t, "odd"), Seed: rapid.Uint64().Draw(t, "seed")}
		read, written := s.run(t, odd)
		random := rand.New(rand.NewPCG(odd.Seed, 1))
		for range 10 {
			f := odd
			if random.IntN(2) == 0 {
				f.ReadCut = cutAt(random.Int64N(read + 1))
			} else {
				f.WriteCut = cutAt(random.Int64N(written + 1))
			}
			s.run(t, f)
		}
	})
}

// TestClientManyRecipients: more recipients than may be unanswered at once, refused and taken in turns.
func TestClientManyRecipients(t *testing.T) {
	for _, offers := range []string{"250 SIZE", "250 PIPELINING", "250-PIPELINING|250 CHUNKING"} {
		for _, names := range [][]string{clientRecipients, lmtpRecipients} {
			s := &clientScene{offers: offers, cfg: ClientConfig{Hostname: "c.test", LMTP: len(names) == len(lmtpRecipients)}}
			var rcpts []string
			for i := range 1005 {
				rcpts = append(rcpts, names[i%len(names)])
			}
			s.add("a", rcpts, "one\r\n")
			s.add("m550", rcpts, "two\r\n")
			s.add("a", rcpts[3:5], "three\r\n")
			s.add("a", rcpts, "four\r\n")
			s.run(t, smtptest.Faults{})
		}
	}
}
