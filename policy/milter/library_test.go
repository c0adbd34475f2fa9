package milter

import (
	"net"
	"net/textproto"
	"strings"
	"testing"

	wire "github.com/emersion/go-milter"
)

// theirs is a filter over the server of emersion/go-milter, which reads the protocol independently of us.
type theirs struct {
	wire.NoOpMilter
	seen *strings.Builder
}

func (f *theirs) Connect(host, family string, port uint16, ip net.IP, m *wire.Modifier) (wire.Response, error) {
	f.seen.WriteString(host + " " + family + " " + ip.String() + " " + m.Macros["j"] + "\n")
	return wire.RespContinue, nil
}

func (f *theirs) MailFrom(from string, m *wire.Modifier) (wire.Response, error) {
	f.seen.WriteString("from " + from + " " + m.Macros["i"] + " " + m.Macros["{auth_authen}"] + "\n")
	return wire.RespContinue, nil
}

func (f *theirs) RcptTo(to string, m *wire.Modifier) (wire.Response, error) {
	f.seen.WriteString("to " + to + " " + m.Macros["{rcpt_addr}"] + "\n")
	return wire.RespContinue, nil
}

func (f *theirs) Headers(h textproto.MIMEHeader, _ *wire.Modifier) (wire.Response, error) {
	f.seen.WriteString(strings.Join(h["X-Old"], "+") + "\n")
	return wire.RespContinue, nil
}

func (f *theirs) BodyChunk(chunk []byte, _ *wire.Modifier) (wire.Response, error) {
	f.seen.Write(chunk)
	return wire.RespContinue, nil
}

func (f *theirs) Body(m *wire.Modifier) (wire.Response, error) {
	for _, err := range []error{
		m.AddHeader("X-Spam", "no"), m.InsertHeader(0, "X-Top", "a\r\n b"), m.ChangeHeader(1, "X-Old", ""),
		m.AddRecipient("dan@d.example"), m.DeleteRecipient("bob@b.example"), m.ReplaceBody([]byte("new\r\n")),
		m.Quarantine("odd"),
	} {
		if err != nil {
			return nil, err
		}
	}
	return wire.RespAccept, nil
}

func TestWithTheLibrarysServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	served := make(chan error, 1)
	server := &wire.Server{
		NewMilter: func() wire.Milter { return &theirs{seen: &seen} },
		Actions:   wire.OptAddHeader | wire.OptChangeHeader | wire.OptChangeBody | wire.OptAddRcpt | wire.OptRemoveRcpt | wire.OptQuarantine,
	}
	go func() { served <- server.Serve(l) }()
	s, err := New(Options{Address: l.Addr().String(), Hostname: "relay.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := s.Scan(t.Context(), letter())
	l.Close()
	<-served
	if v.Err != nil {
		t.Fatal(v.Err)
	}
	const wantSeen = "mail.a.example tcp4 192.0.2.7 relay.example\nfrom ann@a.example Q1 ann\nto bob@b.example bob@b.example\n" +
		"to cat@c.example cat@c.example\n1+2\nHello\r\n"
	if seen.String() != wantSeen {
		t.Errorf("it saw %q, want %q", seen.String(), wantSeen)
	}
	const want = "X-Top: a\r\n b\r\nFrom: ann@a.example\r\nSubject: one\r\n  two\r\nX-Old: 2\r\nX-Spam: no\r\n\r\nnew\r\n"
	if string(v.Content) != want {
		t.Errorf("content %q, want %q", v.Content, want)
	}
	if v.Action != ActionHold || len(v.Added) != 1 || len(v.Removed) != 1 {
		t.Errorf("verdict %+v", v)
	}
}
