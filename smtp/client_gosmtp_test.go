package smtp

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/posthaste-mta/posthaste/message"
)

// clientForeign is a backend for go-smtp's server, the peer that somebody else wrote.
type clientForeign struct {
	mu       sync.Mutex
	messages []clientForeignMessage
}

type clientForeignMessage struct {
	from    string
	options gosmtp.MailOptions
	to      []string
	content string
}

func (b *clientForeign) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &clientForeignSession{backend: b}, nil
}

type clientForeignSession struct {
	backend *clientForeign
	message clientForeignMessage
}

func (s *clientForeignSession) Reset()        { s.message = clientForeignMessage{} }
func (s *clientForeignSession) Logout() error { return nil }
func (s *clientForeignSession) Mail(from string, o *gosmtp.MailOptions) error {
	s.message = clientForeignMessage{from: from, options: *o}
	return nil
}
func (s *clientForeignSession) Rcpt(to string, o *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "no") {
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	s.message.to = append(s.message.to, to)
	return nil
}
func (s *clientForeignSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if strings.Contains(string(b), "spam") {
		return &gosmtp.SMTPError{Code: 554, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "spam"}
	}
	s.message.content = string(b)
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	s.backend.messages = append(s.backend.messages, s.message)
	return nil
}

// startForeign runs go-smtp's server on the loopback until the test ends.
func startForeign(t testing.TB, lmtp bool) (*clientForeign, string) {
	t.Helper()
	backend := &clientForeign{}
	server := gosmtp.NewServer(backend)
	server.LMTP = lmtp
	server.Domain = "foreign.test"
	server.EnableSMTPUTF8, server.EnableDSN = true, true
	server.MaxMessageBytes = 1 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { server.Serve(l); close(done) }()
	t.Cleanup(func() { server.Close(); <-done })
	return backend, l.Addr().String()
}

// TestClientForeignServer delivers to go-smtp's server in each of the ways it offers.
func TestClientForeignServer(t *testing.T) {
	for name, cfg := range map[string]ClientConfig{
		"chunking": {}, "window of one": {Window: 1}, "data": {DisableChunking: true}, "lock-step": {DisablePipelining: true},
		"lock-step data": {DisablePipelining: true, DisableChunking: true}, "mixed": {ChunkMax: 100},
		"LMTP": {LMTP: true}, "LMTP data": {LMTP: true, DisableChunking: true}, "LMTP lock-step": {LMTP: true, DisablePipelining: true},
	} {
		t.Run(name, func(t *testing.T) {
			backend, addr := startForeign(t, cfg.LMTP)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c := clientGreeted(t, conn, cfg)
			var txs []*Transaction
			for i := range 30 {
				content := strings.Repeat(".line\r\n..\r\n.\r\nx\r\n", 1+i%10)
				txs = append(txs, clientTx(content, "bob@y.test", "no@y.test", "eve@y.test"))
			}
			txs[10].Content = []byte("spam\r\n")
			txs[20].Envelope = &message.Envelope{Sender: "ü@x.test", UTF8: true, Body: message.Body8Bit, EnvelopeID: "a=b"}
			for i, res := range clientSendAll(context.Background(), c, txs) {
				want := []int{250, 550, 250}
				if i == 10 {
					want = []int{554, 550, 554}
				}
				for k, st := range res.Recipients {
					if st.Code != want[k] {
						t.Fatalf("message %d, recipient %d: %v, %v", i, k, st, res.Err)
					}
				}
			}
			if err := c.Quit(context.Background()); err != nil {
				t.Error(err)
			}
			checkForeign(t, backend, txs)
		})
	}
}

func checkForeign(t *testing.T, backend *clientForeign, txs []*Transaction) {
	backend.mu.Lock()
	defer backend.mu.Unlock()
	got := backend.messages
	for i, tx := range txs {
		if i == 10 {
			continue
		}
		m := got[0]
		got = got[1:]
		if m.from != tx.Envelope.Sender || strings.Join(m.to, " ") != "bob@y.test eve@y.test" || m.content != string(tx.Content) ||
			m.options.UTF8 != tx.Envelope.UTF8 || m.options.EnvelopeID != tx.Envelope.EnvelopeID {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
	if len(got) > 0 {
		t.Errorf("%d messages too many", len(got))
	}
}

// TestClientForeignChunkRefused: this server keeps the transaction of a refused chunk open. Neither its
// sender nor its content get into the messages behind it.
func TestClientForeignChunkRefused(t *testing.T) {
	backend, addr := startForeign(t, false)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := clientGreeted(t, conn, ClientConfig{})
	refused := clientTx("MAIL FROM:<mallory@z.test>\r\nRCPT TO:<victim@z.test>\r\n", "no@y.test")
	refused.Envelope = &message.Envelope{Sender: "other@x.test"}
	results := clientSendAll(context.Background(), c, []*Transaction{refused, clientTx("one\r\n", "bob@y.test"), clientTx("two\r\n", "eve@y.test")})
	for i, code := range []int{550, 250, 250} {
		if st := results[i].Recipients[0]; st.Code != code {
			t.Errorf("message %d: %v, %v", i+1, st, results[i].Err)
		}
	}
	backend.mu.Lock()
	defer backend.mu.Unlock()
	for i, want := range []string{"one\r\n", "two\r\n"} {
		if m := backend.messages[i]; m.from != "a@x.test" || len(m.to) != 1 || m.content != want {
			t.Errorf("%+v", m)
		}
	}
}
