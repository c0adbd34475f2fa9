package milter

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emersion/go-milter"
	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/message"
)

func TestWhatAFilterIsShown(t *testing.T) {
	f := newFilter()
	v := f.scanner(t, Options{Version: "posthaste 1"}).Scan(t.Context(), letter())
	if v.Action != ActionAccept || v.Content != nil || v.Err != nil {
		t.Fatalf("verdict %+v", v)
	}
	want := `O
D "Cj|relay.example|{daemon_name}|mx|v|posthaste 1|{daemon_addr}|192.0.2.1|{daemon_port}|25|{client_addr}|192.0.2.7|{client_name}|mail.a.example|{client_ptr}|mail.a.example|{client_port}|4711|_|mail.a.example [192.0.2.7]|"
C "mail.a.example|4\x12g192.0.2.7|"
D "H{tls_version}|TLSv1.3|{cipher}|TLS_AES_128_GCM_SHA256|{cipher_bits}|128|"
H "mail.a.example|"
D "Mi|Q1|{auth_type}|PLAIN|{auth_authen}|ann|{mail_addr}|ann@a.example|{mail_host}|a.example|{mail_mailer}|smtp|"
M "<ann@a.example>|"
D "Ri|Q1|{rcpt_addr}|bob@b.example|{rcpt_host}|b.example|{rcpt_mailer}|smtp|"
R "<bob@b.example>|"
D "Ri|Q1|{rcpt_addr}|cat@c.example|{rcpt_host}|c.example|{rcpt_mailer}|smtp|"
R "<cat@c.example>|"
D "Ti|Q1|"
T ""
L "From|ann@a.example|"
L "Subject|one\n  two|"
L "X-Old|1|"
L "X-Old|2|"
D "Ni|Q1|"
N ""
B "Hello\r\n"
D "Ei|Q1|"
E ""
`
	if diff := cmp.Diff(want, f.dialogue()); diff != "" {
		t.Errorf("dialogue (-want +got):\n%s", diff)
	}
}

func TestAFilterLeavesStepsOut(t *testing.T) {
	f := newFilter()
	f.steps = wire.OptNoConnect | wire.OptNoHelo | wire.OptNoMailFrom | wire.OptNoRcptTo | wire.OptNoData |
		wire.OptNoEOH | wire.OptNoHeaderReply | wire.OptNoBodyReply | wire.OptHeaderLeadingSpace
	if v := f.scanner(t, Options{}).Scan(t.Context(), letter()); v.Action != ActionAccept {
		t.Fatalf("verdict %+v", v)
	}
	want := `O
L "From| ann@a.example|"
L "Subject| one\n  two|"
L "X-Old| 1|"
L "X-Old| 2|"
B "Hello\r\n"
D "Ei|Q1|"
E ""
`
	if diff := cmp.Diff(want, f.dialogue()); diff != "" {
		t.Errorf("dialogue (-want +got):\n%s", diff)
	}
}

func TestSkipEndsTheBody(t *testing.T) {
	f := newFilter()
	f.script[wire.CodeBody] = frame("s")
	m := letter()
	m.Content = append(m.Content, strings.Repeat("x", 3*maxChunk)...)
	if v := f.scanner(t, Options{}).Scan(t.Context(), m); v.Action != ActionAccept {
		t.Fatalf("verdict %+v", v)
	}
	if n := strings.Count(f.dialogue(), "\nB "); n != 1 {
		t.Errorf("%d parts of the body shown, want 1", n)
	}
}

func TestDecisions(t *testing.T) {
	for _, test := range []struct {
		name   string
		step   wire.Code
		answer string
		want   string
	}{
		{"accept early", wire.CodeMail, "a", "accept"},
		{"reject", wire.CodeEOB, "r", "reject 550 5.7.1 Message refused by a content filter"},
		{"reject a recipient", wire.CodeRcpt, "r", "reject 550 5.7.1 Message refused by a content filter"},
		{"tempfail", wire.CodeConn, "t", "tempfail 451 4.7.1 Message not taken now, try again later"},
		{"discard", wire.CodeHeader, "d", "discard"},
		{"own words", wire.CodeEOB, "y554 5.7.1 Spam 100%% sure\x00", "reject 554 5.7.1 Spam 100% sure"},
		{"no enhanced code", wire.CodeEOB, "y451 Wait\x00", "tempfail 451 4.7.1 Wait"},
		{"enhanced code of another class", wire.CodeEOB, "y550 4.7.1 Odd\x00", "reject 550 5.7.1 4.7.1 Odd"},
		{"several lines", wire.CodeEOB, "y550-5.7.1 One\r\n550 5.7.1 Two\x00", "reject 550 5.7.1 One\nTwo"},
		{"hostile", wire.CodeEOB, "y550 5.7.1 a\rb\x07c\xff\xe2\x80\xae\x00", "reject 550 5.7.1 a?b?c??"},
		{"another reply behind", wire.CodeEOB, "y550 5.7.1 a\r\n250 2.0.0 Ok\x00", "failed"},
		{"421 is about the connection", wire.CodeEOB, "y421 4.7.0 Go\x00", "tempfail 451 4.7.0 Go"},
		{"positive", wire.CodeEOB, "y250 2.0.0 Ok\x00", "failed"},
		{"no code", wire.CodeEOB, "yhello\x00", "failed"},
		{"empty reply", wire.CodeEOB, "y\x00", "failed"},
		{"unknown answer", wire.CodeHelo, "z", "failed"},
		{"a change before the end", wire.CodeHelo, "hX\x00y\x00", "failed"},
		{"no code at all", wire.CodeHelo, "", "failed"},
		{"all recipients removed", wire.CodeEOB, "-<bob@b.example>\x00", "accept"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFilter()
			f.script[test.step] = frame(test.answer)
			if test.step == wire.CodeEOB && test.answer[0] == '-' {
				f.script[test.step] = frame(test.answer, "a")
			}
			v := f.scanner(t, Options{}).Scan(t.Context(), letter())
			got := v.Action.String()
			switch {
			case v.Err != nil:
				got = "failed"
				if v.Action != ActionTempfail || v.Status.Code != 451 || v.Status.Enhanced != (message.EnhancedCode{4, 7, 1}) {
					t.Errorf("verdict %+v, want 451 4.7.1", v)
				}
			case v.Status.Code != 0:
				got += " " + v.Status.String()
			}
			if got != test.want {
				t.Errorf("got %q (%v), want %q", got, v.Err, test.want)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes []string
		want    string // content
	}{
		{"add", []string{"hX-Spam\x00no\x00"}, "From: ann@a.example\r\nSubject: one\r\n  two\r\nX-Old: 1\r\nX-Old: 2\r\nX-Spam: no\r\n\r\nHello\r\n"},
		{"insert at the top", []string{at("i", 0, "B\x00b\x00"), at("i", 1, "A\x00a\x00")}, "A: a\r\nB: b\r\n" + content},
		{"insert third", []string{at("i", 2, "A\x00a\x00")}, strings.Replace(content, "Subject", "A: a\r\nSubject", 1)},
		{"insert far behind", []string{at("i", 4e9, "A\x00a\x00")}, strings.Replace(content, "\r\n\r\n", "\r\nA: a\r\n\r\n", 1)},
		{"change", []string{at("m", 2, "x-old\x00new\x00")}, strings.Replace(content, "X-Old: 2", "x-old: new", 1)},
		{"change index 0", []string{at("m", 0, "X-Old\x00new\x00")}, strings.Replace(content, "X-Old: 1", "X-Old: new", 1)},
		{"change what is not there", []string{at("m", 3, "X-Old\x00new\x00")}, strings.Replace(content, "\r\n\r\n", "\r\nX-Old: new\r\n\r\n", 1)},
		{"delete both by their first numbers", []string{at("m", 1, "X-Old\x00\x00"), at("m", 2, "X-Old\x00\x00")},
			"From: ann@a.example\r\nSubject: one\r\n  two\r\n\r\nHello\r\n"},
		{"delete what is not there", []string{at("m", 1, "X-New\x00\x00")}, content},
		{"fold", []string{"hX\x00a\n\tb\r\n c\nd\x00"}, strings.Replace(content, "\r\n\r\n", "\r\nX: a\r\n\tb\r\n c\r\n\td\r\n\r\n", 1)},
		{"end of header in a value", []string{"hX\x00a\r\n\r\nBody\n \nmore\rX\x00"},
			strings.Replace(content, "\r\n\r\n", "\r\nX: a\r\n\tBody\r\n\tmore?X\r\n\r\n", 1)},
		{"new body in parts", []string{"bone\ntw", "bo\r\n.\rx\x00"}, content[:strings.Index(content, "\r\n\r\n")+4] + "one\r\ntwo\r\n.\r\nx?\r\n"},
		{"no body", []string{"b"}, content[:strings.Index(content, "\r\n\r\n")+4]},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFilter()
			f.script[wire.CodeEOB] = frame(append(test.changes, "c")...)
			v := f.scanner(t, Options{}).Scan(t.Context(), letter())
			if v.Err != nil {
				t.Fatal(v.Err)
			}
			if diff := cmp.Diff(test.want, string(v.Content)); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvelopeChanges(t *testing.T) {
	f := newFilter()
	f.script[wire.CodeEOB] = frame("+<dan@d.example>\x00", "2<eve@e.example>\x00NOTIFY=NEVER\x00", "-<bob@b.example>\x00",
		"-<nobody@x.example>\x00", "+<cat@c.example>\x00", "e<>\x00", "qlooks\r\nodd\x00", "p", "c")
	v := f.scanner(t, Options{}).Scan(t.Context(), letter())
	want := Verdict{
		Scanner: "test", Action: ActionHold, Reason: "looks odd", SenderChanged: true,
		Added: []string{"dan@d.example", "eve@e.example"}, Removed: []string{"bob@b.example"},
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	f.script[wire.CodeEOB] = frame("-<bob@b.example>\x00", "-cat@c.example\x00", "c")
	if v := f.scanner(t, Options{}).Scan(t.Context(), letter()); v.Action != ActionDiscard {
		t.Errorf("nobody is left, but %+v", v)
	}
}

func TestBrokenChangesFail(t *testing.T) {
	for name, change := range map[string]string{
		"recipient with a line end": "+<a@b.example>\r\nRCPT TO:<x@y.example>\x00",
		"recipient without domain":  "+<a>\x00",
		"sender":                    "ea b\x00",
		"no index":                  "mX",
		"name with a line end":      "hX\r\nY\x00v\x00",
		"name with a colon":         "hX:\x00v\x00",
		"no name":                   "h\x00v\x00",
	} {
		f := newFilter()
		f.script[wire.CodeEOB] = frame(change, "c")
		if v := f.scanner(t, Options{OnFailure: Pass}).Scan(t.Context(), letter()); v.Err == nil || v.Action != ActionAccept || v.Content != nil {
			t.Errorf("%s: verdict %+v", name, v)
		}
	}
	f := newFilter()
	f.actions = wire.OptAddHeader
	f.script[wire.CodeEOB] = frame("bnew body", "c")
	if v := f.scanner(t, Options{}).Scan(t.Context(), letter()); v.Err == nil {
		t.Error("a change that was not agreed on was made")
	}
}

// A filter may send only so much, also in reports of progress, which by themselves never end.
func TestAFilterCannotTalkForEver(t *testing.T) {
	endless := strings.Repeat("\x00\x00\x00\x01p", 1000)
	f := newFilter()
	f.script[wire.CodeEOB] = []byte(endless)
	if v := f.scanner(t, Options{MaxAnswer: 500}).Scan(t.Context(), letter()); v.Action != ActionTempfail || v.Err == nil {
		t.Errorf("verdict %+v", v)
	}
}

func TestAConnectionServesSeveralMessages(t *testing.T) {
	f := newFilter()
	s := f.scanner(t, Options{})
	for range 3 {
		if v := s.Scan(t.Context(), letter()); v.Err != nil {
			t.Fatal(v.Err)
		}
	}
	if n := f.connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if !strings.Contains(f.dialogue(), "E \"\"\nD \"Mi|Q1") {
		t.Errorf("between two messages:\n%s", f.dialogue())
	}
	if m := s.Metrics(); m.Accepted != 3 || m.Reused != 2 || m.Connects != 1 || m.Idle != 1 || m.Busy != 0 {
		t.Errorf("metrics %+v", m)
	}
	other := letter()
	other.AuthName = "bob"
	if s.Scan(t.Context(), other); f.connections() != 2 {
		t.Errorf("another client's message went over the connection of the first")
	}
	f.script[wire.CodeRcpt] = frame("r") // decided in the middle: what may follow is not clear
	s.Scan(t.Context(), other)
	if s.Scan(t.Context(), other); f.connections() != 3 {
		t.Errorf("%d connections, want 3", f.connections())
	}
}

func TestKeptConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter()
		s := f.scanner(t, Options{Connections: 2})
		m := letter()
		for port := range uint16(5) {
			m.ClientAddr = netip.AddrPortFrom(m.ClientAddr.Addr(), port)
			s.Scan(t.Context(), m)
		}
		synctest.Wait()
		if got := s.Metrics().Idle; got != 2 {
			t.Errorf("%d connections are kept, want 2", got)
		}
		if n := strings.Count(f.dialogue(), "Q \"\""); n != 3 {
			t.Errorf("%d good-byes, want 3", n)
		}
		s.Close()
		synctest.Wait()
	})
}

// A filter that was restarted has closed the connection that we kept.
func TestADeadKeptConnectionIsReplaced(t *testing.T) {
	f := newFilter()
	f.limit = 1
	s := f.scanner(t, Options{})
	for i := range 5 {
		if v := s.Scan(t.Context(), letter()); v.Err != nil {
			t.Fatalf("message %d: %v", i, v.Err)
		}
	}
}

func TestADeadFilter(t *testing.T) {
	refused := func(context.Context) (net.Conn, error) { return nil, errors.New("connection refused") }
	v := newFilter().scanner(t, Options{Dial: refused}).Scan(t.Context(), letter())
	if v.Action != ActionTempfail || v.Status.String() != "451 4.7.1 Message could not be checked, try again later" {
		t.Errorf("verdict %+v", v)
	}
	s := newFilter().scanner(t, Options{Dial: refused, OnFailure: Pass})
	if v := s.Scan(t.Context(), letter()); v.Action != ActionAccept || v.Err == nil || !strings.Contains(v.Err.Error(), "milter test: connection refused") {
		t.Errorf("verdict %+v", v)
	}
	if m := s.Metrics(); m.Failures != 1 || m.Accepted != 1 {
		t.Errorf("metrics %+v", m)
	}
}

func TestASlowFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter()
		f.script[wire.CodeMail] = []byte{} // never answered
		s := f.scanner(t, Options{Command: 20 * time.Second})
		begun := time.Now()
		if v := s.Scan(t.Context(), letter()); v.Action != ActionTempfail || v.Err == nil {
			t.Errorf("verdict %+v", v)
		}
		if took := time.Since(begun); took != 20*time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if v := s.Scan(ctx, letter()); !errors.Is(v.Err, context.DeadlineExceeded) || time.Since(begun) != 21*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), v.Err)
		}
		s.Close()
		synctest.Wait()
	})
}

// A filter behind a firewall that drops packets holds up one message, not each.
func TestAMuteFilterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := 0
		s := newFilter().scanner(t, Options{Dial: func(ctx context.Context) (net.Conn, error) {
			tried++
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		begun := time.Now()
		for range 10 {
			if v := s.Scan(t.Context(), letter()); v.Err == nil {
				t.Error("no failure")
			}
		}
		if took := time.Since(begun); took != 10*time.Second || tried != 1 {
			t.Errorf("10 messages took %v and %d tries", took, tried)
		}
		time.Sleep(muteTime)
		s.Scan(t.Context(), letter())
		if tried != 2 {
			t.Errorf("%d tries after the pause, want 2", tried)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter()
		f.script[wire.CodeMail] = []byte{}
		s := f.scanner(t, Options{Connections: 2, Command: time.Minute, Message: 30 * time.Second})
		for range 5 {
			go s.Scan(t.Context(), letter())
		}
		synctest.Wait()
		if n := f.connections(); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
		time.Sleep(30 * time.Second) // each message's time is over, those that waited too
		synctest.Wait()
		if m := s.Metrics(); m.Tempfailed != 5 || m.Busy != 0 {
			t.Errorf("metrics %+v", m)
		}
		s.Close()
		synctest.Wait()
	})
}

func TestUnusedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilter()
		s := f.scanner(t, Options{Idle: 10 * time.Second})
		s.Scan(t.Context(), letter())
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if m := s.Metrics(); m.Idle != 0 {
			t.Errorf("metrics %+v", m)
		}
		if !strings.HasSuffix(f.dialogue(), "Q \"\"\n") {
			t.Errorf("no good-bye:\n%s", f.dialogue())
		}
		s.Close()
		if v := s.Scan(t.Context(), letter()); !errors.Is(v.Err, ErrClosed) {
			t.Errorf("after Close: %v", v.Err)
		}
	})
}

func TestAChain(t *testing.T) {
	first, second := newFilter(), newFilter()
	first.script[wire.CodeEOB] = frame("hX-First\x001\x00", "-<cat@c.example>\x00", "+<dan@d.example>\x00", "qodd\x00", "a")
	second.script[wire.CodeEOB] = frame("hX-Second\x002\x00", "-<dan@d.example>\x00", "a")
	chain := Chain{first.scanner(t, Options{}), second.scanner(t, Options{})}
	v := chain.Scan(t.Context(), letter())
	if v.Action != ActionHold || v.Reason != "odd" || !cmp.Equal(v.Removed, []string{"cat@c.example"}) || v.Added != nil {
		t.Errorf("verdict %+v", v)
	}
	if !strings.Contains(string(v.Content), "X-First: 1\r\nX-Second: 2\r\n\r\n") {
		t.Errorf("content %q", v.Content)
	}
	if d := second.dialogue(); !strings.Contains(d, "X-First|1") || !strings.Contains(d, "dan@d.example") || strings.Contains(d, "cat@") {
		t.Errorf("the second filter was shown:\n%s", d)
	}
	second.script[wire.CodeEOB] = frame("r")
	if v := chain.Scan(t.Context(), letter()); v.Action != ActionReject || v.Content != nil {
		t.Errorf("verdict %+v", v)
	}
	if v := (Chain{}).Scan(t.Context(), letter()); v.Action != ActionAccept {
		t.Errorf("no filter: %+v", v)
	}
}

// conversation is all that a filter sends for one message.
func conversation() []byte {
	f := newFilter()
	out := f.answer(packet{code: byte(wire.CodeOptNeg)})
	for range 11 { // connect, helo, mail, two recipients, data, four fields, end of header
		out = append(out, frame("c")...)
	}
	return append(out, frame("c", "hX\x00y\x00", at("m", 1, "X-Old\x00\x00"), "bnew\r\n", "+<dan@d.example>\x00", "p", "y550 5.7.1 No\x00")...)
}

func scripted(t testing.TB, said []byte) Verdict {
	f := newFilter()
	return f.scanner(t, Options{Dial: func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs) // ends when the scanner closes its side
		return &hangUp{ours, strings.NewReader(string(said))}, nil
	}}).Scan(context.Background(), letter())
}

func TestCutAtEveryByte(t *testing.T) {
	whole := conversation()
	if v := scripted(t, whole); v.Err != nil || v.Status.String() != "550 5.7.1 No" {
		t.Fatalf("the whole conversation: %+v", v)
	}
	for n := range whole {
		if v := scripted(t, whole[:n]); v.Err == nil || v.Action != ActionTempfail {
			t.Fatalf("cut after %d of %d bytes: %+v", n, len(whole), v)
		}
	}
}

func FuzzFilter(f *testing.F) {
	whole := conversation()
	f.Add(whole)
	f.Add([]byte("\xff\xff\xff\xffO"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Add(append(whole[:17:17], frame("y550 a\r\n250 b\x00", "+<x", "m", "i\x00\x00")...))
	f.Fuzz(func(t *testing.T, said []byte) {
		v := scripted(t, said)
		if (v.Action == ActionReject) != v.Status.Permanent() || (v.Action == ActionTempfail) != v.Status.Temporary() {
			t.Fatalf("verdict %+v", v)
		}
		if strings.ContainsAny(v.Status.Text, "\r\x00") || strings.ContainsAny(v.Reason, "\r\n") {
			t.Fatalf("verdict %+v", v)
		}
		for i, c := range v.Content {
			if c == '\n' && (i == 0 || v.Content[i-1] != '\r') || c == '\r' && (i+1 == len(v.Content) || v.Content[i+1] != '\n') {
				t.Fatalf("a bare line break at %d of %q", i, v.Content)
			}
		}
	})
}

// FuzzChanges looks at the changes alone, which a fuzzer seldom gets to through a whole conversation.
func FuzzChanges(f *testing.F) {
	f.Add([]byte("hX\x00a\r\n\r\nb\x00"), []byte("i\x00\x00\x00\x01Y\x00v\x00"))
	f.Add([]byte("m\x00\x00\x00\x01Subject\x00\x00"), []byte("bnew\rbody\n.\n"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		a := &answer{content: []byte(content)}
		for _, b := range [][]byte{one, two} {
			if len(b) == 0 || !isChange(b[0]) || a.change(packet{b[0], b[1:]}, agreed{version, offeredActions, 0}) != nil {
				return
			}
		}
		m := letter()
		v, err := a.verdict(&m)
		if err != nil || v.Content == nil {
			return
		}
		fields := message.CountFields(v.Content, "X-Old") + message.CountFields(v.Content, "From")
		end := message.HeaderEnd(v.Content)
		if end == 0 && fields > 0 || end > 0 && !strings.HasPrefix(string(v.Content[end:]), "\r\n") {
			t.Fatalf("the header ends at %d of %q", end, v.Content)
		}
		if a.newBody == nil && !strings.HasSuffix(string(v.Content), "\r\n\r\nHello\r\n") && !a.hasNewBody {
			t.Fatalf("the body has changed: %q", v.Content)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	f := newFilter()
	f.steps = wire.OptNoHeaderReply | wire.OptNoBodyReply
	s := f.scanner(b, Options{})
	m := letter()
	m.Content = append(m.Content, strings.Repeat("0123456789abcde\r\n", 240)...)
	b.ReportAllocs()
	for b.Loop() {
		f.mu.Lock()
		f.shown = f.shown[:0]
		f.mu.Unlock()
		if v := s.Scan(context.Background(), m); v.Err != nil {
			b.Fatal(v.Err)
		}
	}
}
