package relay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/zap"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/auth"
	"github.com/posthaste-mta/posthaste/policy/store"
	"github.com/posthaste-mta/posthaste/queue"
	"github.com/posthaste-mta/posthaste/smtp"
)

// pipeListener hands out one end of each pipe that is put into it.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
func (l pipeListener) Close() error   { return nil }

// onTheWire plays a client of a real server before the story's relay. Its connection has no IP address: to the
// policy it is a stranger. Each exchange is what is written at once and, behind it, the codes of the replies to it.
func (s *story) onTheWire(exchanges ...[2]string) {
	s.onTheWireAt(&Intake{Relay: s.relay}, func(c *wireClient) {
		for _, x := range exchanges {
			c.say(x[0], x[1])
		}
	})
}

// onTheWireAt is onTheWire at another listener, where logins may go in the clear.
func (s *story) onTheWireAt(intake *Intake, talk func(*wireClient)) {
	server := &smtp.Server{Backend: intake, Config: smtp.ServerConfig{
		Hostname: s.relay.cfg.Hostname, MaxErrors: 100, AllowInsecureAuth: true,
	}}
	l := make(pipeListener, 1)
	ours, theirs := net.Pipe()
	l <- theirs
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	_ = ours.SetDeadline(time.Now().Add(time.Minute))
	c := &wireClient{t: s.t, conn: ours, replies: bufio.NewReader(ours)}
	c.say("", "220")
	c.say("EHLO client.test\r\n", "250")
	talk(c)
	close(l)
	_ = ours.Close()
	_ = server.Close()
	<-served
}

// wireClient is one connection.
type wireClient struct {
	t       *testing.T
	conn    net.Conn
	replies *bufio.Reader
}

// say writes at once, and wants replies that begin with these words.
func (c *wireClient) say(text, replies string) {
	c.t.Helper()
	go func() { _, _ = c.conn.Write([]byte(text)) }()
	for want := range strings.FieldsSeq(replies) {
		line, err := c.replies.ReadString('\n')
		for err == nil && len(line) > 3 && line[3] == '-' {
			line, err = c.replies.ReadString('\n')
		}
		if err != nil || !strings.HasPrefix(line, want) {
			c.t.Errorf("%.200q: %q, %v, want %s", text, line, err, want)
		}
	}
}

// What a client sends as one message arrives as one, whatever it looks like on the way: dots, chunks with an end of DATA
// in them, line ends that are none.
func TestOneMessageStaysOne(t *testing.T) {
	const envelope = "MAIL FROM:<ann@a.test>\r\nRCPT TO:<bob@x.test>\r\n"
	const smuggled = "Subject: x\r\n\r\n.\r\nMAIL FROM:<evil@a.test>\r\nRCPT TO:<bob@x.test>\r\nDATA\r\n..\r\n.\r\n"
	bdat := func(content string) string { return fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content) }
	stuffed := strings.ReplaceAll(smuggled, "\r\n.", "\r\n..")
	for _, receiver := range []string{"250 PIPELINING", "250-PIPELINING|250 CHUNKING", "250 SIZE"} {
		for name, way := range map[string][2]string{
			"DATA":              {"DATA\r\n" + stuffed + ".\r\n", "354 250"},
			"BDAT":              {bdat(smuggled), "250"},
			"BDAT, bare ends":   {bdat("a\n.\nMAIL FROM:<evil@a.test>\r\n"), "550"},
			"DATA, bare LF end": {"DATA\r\na\n.\nMAIL FROM:<evil@a.test>\r\n.\r\n", "354 550"},
			"DATA, bare CR end": {"DATA\r\na\r.\rMAIL FROM:<evil@a.test>\r\n.\r\n", "354 550"},
		} {
			inStory(t, "EHLO -> "+receiver, func(t *testing.T, s *story) {
				s.policy.Access.RelayDomains = policy.NewDomainSet("x.test")
				s.relay.SetPolicy(s.shaped())
				s.onTheWire([2]string{envelope, "250 250"}, way, [2]string{"QUIT\r\n", "221"})
				s.seen()
				got := s.remotes["mx.x.test"].Messages()
				taken := strings.HasSuffix(way[1], "250")
				switch {
				case !taken && len(got) == 0:
				case !taken || len(got) != 1 || got[0].Sender != "ann@a.test" || !bytes.HasSuffix(got[0].Content, []byte(smuggled)):
					t.Errorf("%s to %s: %d messages: %+v", name, receiver, len(got), got)
				}
			})
		}
	}
}

// The ways in which strangers have had servers relay for them (RFC 2505 2.1). We take mail for here.test and below
// sub.test from anyone.
func TestRelayProbes(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.policy.Access = policy.Access{RelayDomains: policy.NewDomainSet("here.test", ".sub.test")}
		s.relay.SetPolicy(s.shaped())
		probes := [][2]string{{"MAIL FROM:<ann@here.test>\r\n", "250"}}
		for _, to := range strings.Fields(`
			victim@x.test "victim@x.test" <victim@x.test> victim%x.test@here.test victim%x.test@sub.test
			x.test!victim@here.test x.test!victim "victim@x.test"@here.test "victim%x.test"@here.test "x.test!victim"@here.test
			@here.test:victim@x.test @here.test,@x.test:victim@x.test victim@x.test@here.test victim@[192.0.2.1]
			victim@[here.test] victim@[127.0.0.1] victim@[IPv6:::1] victim@192.0.2.1 victim@2130706433 victim@localhost
			victim@x.test:25 victim@here.test.x.test victim@xhere.test victim@here.tes victim@ere.test victim@sub.test
			victim@xsub.test victim@here.test. victim@.here.test victim@here..test victim@ victim %x.test here.test
			victim@x.test,ann@here.test victim@x.test;ann@here.test "ann@here.test"@x.test ann\@here.test@x.test
			victim@x.test>NOTIFY=NEVER @here.test:@x.test:victim@here.test :victim@here.test`) {
			probes = append(probes, [2]string{"RCPT TO:<" + to + ">\r\n", "5"})
		}
		probes = append(probes, [2]string{"RCPT TO:<ann@HERE.test>\r\n", "250"}, [2]string{"RCPT TO:<ann@a.b.sub.test>\r\n", "250"})
		s.onTheWire(append(probes, [2]string{"QUIT\r\n", "221"})...)

		// Where one may log in, having tried to is worth nothing, nor is a claim that somebody else has.
		s.logins(auth.Credential{Name: "shop", Senders: []string{"*"}})
		s.onTheWireAt(&Intake{Relay: s.relay, Auth: AuthOptional}, func(c *wireClient) {
			c.say(plain("shop", "not the right secret"), "535")
			c.say("AUTH PLAIN\r\n*\r\n", "334 501")
			c.say("MAIL FROM:<ann@here.test> AUTH=shop@here.test\r\nRSET\r\n", "250 250")
			for _, probe := range probes {
				c.say(probe[0], probe[1])
			}
		})
	})
}

// Who has logged in sends anywhere that is an address.
func TestRelayProbesOfALogin(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.policy.Access = policy.Access{RelayDomains: policy.NewDomainSet("here.test")}
		s.logins(auth.Credential{Name: "shop", Senders: []string{"*"}})
		s.onTheWireAt(&Intake{Relay: s.relay, Auth: AuthStrangers}, func(c *wireClient) {
			c.say(plain("shop", secret), "235")
			c.say("MAIL FROM:<ann@here.test>\r\n", "250")
			for to, want := range map[string]string{
				"victim@x.test": "250", "ann@here.test": "250", "victim%x.test@here.test": "250", "victim@[192.0.2.1]": "250",
				"<victim@x.test>": "501", "x.test!victim": "501", "victim@x.test@here.test": "501", "victim@": "501",
				"@here.test,@y.test:victim@x.test": "250", "victim@here..test": "501",
			} {
				c.say("RCPT TO:<"+to+">\r\n", want)
			}
		})
	})
}

// Mail that has been through as many hosts as no way is long goes round in circles (RFC 5321 6.3); fewer are no reason to
// refuse it, nor is what they wrote.
func TestLoopIsRefused(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		const hop = "Received: from nowhere by"
		for hops, want := range map[int]string{99: "accepted", 100: "Mail loop", 101: "Mail loop"} {
			input := append(strings.Split(strings.Repeat(hop+"\n", hops), "\n")[:hops], "Subject: x", "", "Received: in the body")
			said := s.submit([]string{"from=", "to=bob@x.test"}, input)
			if got := said + s.seen(); !strings.Contains(got, want) || strings.Contains(got, "554 5.4.6") != (hops >= 100) {
				t.Errorf("%d hops: %s", hops, got)
			}
		}
	})
}

// A store that is full or out of order never makes a 250, and says when to come again.
func TestRepliesOfTheStore(t *testing.T) {
	s := &session{relay: &Relay{log: zap.NewNop()}, info: &smtp.ConnInfo{}}
	for _, c := range []struct {
		err  error
		want int
	}{
		{fmt.Errorf("put: %w", queue.ErrFull), 452},
		{fmt.Errorf("put: %w", queue.ErrFailed), 421},
		{queue.ErrClosed, 421},
		{errors.New("disk on fire"), 451},
		{&gosmtp.SMTPError{Code: 554}, 554},
		{fmt.Errorf("quota: %w", store.ErrFailed), 421},
		{fmt.Errorf("limit: %w", message.Status{Code: 450}), 450},
	} {
		if got := s.refusal(c.err); got.Code != c.want || strings.Contains(got.Message, "fire") {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
