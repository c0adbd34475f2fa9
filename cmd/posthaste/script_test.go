package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"posthaste": main, "sendmail": main, "mailq": main})
}

// The stories of testdata/script run the real command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"smtpd":      startSMTPD,
			"status":     checkStatus,
			"daemon":     startDaemon,
			"nameserver": startNameServer,
		},
	})
}

// checkStatus runs a command and compares its exit code: status CODE [<FILE] COMMAND...
func checkStatus(ts *testscript.TestScript, neg bool, args []string) {
	want := args[0]
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		got = err.Error()
	}
	if (got == want) == neg {
		ts.Fatalf("exit code %s, want %s", got, want)
	}
}

// startSMTPD starts a server that writes what it takes to mail.1, mail.2, ... and whose recipients
// have manners by name; sendmail finds it by its environment.
func startSMTPD(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	srv := gosmtp.NewServer(&smtpd{dir: ts.Getenv("WORK")})
	srv.Domain = "daemon.test"
	srv.EnableSMTPUTF8, srv.EnableDSN = true, true
	srv.ErrorLog = discardLog{}
	go func() { _ = srv.Serve(l) }() // ends when Close closes the listener
	ts.Defer(func() { srv.Close() })
	ts.Setenv("POSTHASTE_SUBMIT", l.Addr().String())
}

type discardLog struct{}

func (discardLog) Printf(string, ...any) {}
func (discardLog) Println(...any)        {}

type smtpd struct {
	dir string
	mu  sync.Mutex
	n   int
}

func (d *smtpd) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &smtpdSession{d: d}, nil }

type smtpdSession struct {
	d        *smtpd
	envelope strings.Builder
}

func (s *smtpdSession) Mail(from string, opt *gosmtp.MailOptions) error {
	s.envelope.Reset()
	fmt.Fprintf(&s.envelope, "MAIL <%s> %s %s\n", from, opt.Return, opt.EnvelopeID)
	return nil
}

func (s *smtpdSession) Rcpt(to string, opt *gosmtp.RcptOptions) error {
	fmt.Fprintf(&s.envelope, "RCPT <%s> %v\n", to, opt.Notify)
	switch name, _, _ := strings.Cut(to, "@"); name {
	case "unknown":
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	case "forbidden":
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 7, 1}, Message: "not for you"}
	case "busy":
		return &gosmtp.SMTPError{Code: 451, EnhancedCode: gosmtp.EnhancedCode{4, 3, 0}, Message: "come back later"}
	}
	return nil
}

func (s *smtpdSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.n++
	text := s.envelope.String() + strings.ReplaceAll(string(content), "\r\n", "\n")
	return os.WriteFile(filepath.Join(s.d.dir, fmt.Sprintf("mail.%d", s.d.n)), []byte(text), 0o600)
}

func (s *smtpdSession) Reset()        {}
func (s *smtpdSession) Logout() error { return nil }
