package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// submit reads a message and gives it to the daemon. All recipients are accepted or none is: a
// caller that is told to try again must not send anyone the same mail twice.
func submit(p process, opt sendmailOptions) error {
	host := localName()
	sender := userName() + "@" + host
	from := sender
	if opt.sender != nil {
		sender = qualify(*opt.sender, host)
		if sender != "" {
			from = sender
		}
	}
	content, err := readMessage(p.stdin, opt.ignoreDots)
	if err != nil {
		return err
	}
	content = withHeader(withoutMboxLine(content), fromField(opt.fullName, from))
	recipients := opt.recipients
	if opt.fromHeader {
		found, rest, err := headerRecipients(content)
		if err != nil {
			return err
		}
		recipients, content = append(recipients, found...), rest
	}
	if recipients, err = checkRecipients(recipients, host); err != nil {
		return err
	}
	return withDaemon(p, opt, func(c *gosmtp.Client) error {
		if err := envelope(c, opt, sender, recipients, int64(len(content))); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return replyError("DATA", err)
		}
		if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
			return withCode(exitTempFail, fmt.Errorf("sending the message: %w", err))
		}
		err = w.Close()
		if reply := (*gosmtp.SMTPError)(nil); err != nil && !errors.As(err, &reply) {
			return withCode(exitTempFail, fmt.Errorf("the daemon's answer was lost, it may have the message: %w", err))
		}
		return replyError("message", err)
	})
}

// verifyRecipients asks the daemon about each recipient without sending anything.
func verifyRecipients(p process, opt sendmailOptions) error {
	recipients, err := checkRecipients(opt.recipients, localName())
	if err != nil {
		return err
	}
	return withDaemon(p, opt, func(c *gosmtp.Client) error {
		if err := c.Mail("", nil); err != nil {
			return replyError("MAIL", err)
		}
		var worst error
		for _, r := range recipients {
			if err := replyError(r, c.Rcpt(r, nil)); err != nil {
				fmt.Fprintln(p.stdout, err)
				worst = exitError{codeOf(err), errors.New("not all recipients are accepted")}
				continue
			}
			fmt.Fprintf(p.stdout, "%s: accepted\n", r)
		}
		return worst
	})
}

// withDaemon runs do on a connection to the daemon.
func withDaemon(p process, opt sendmailOptions, do func(*gosmtp.Client) error) error {
	conn, err := dialDaemon(opt)
	if err != nil {
		return err
	}
	c := gosmtp.NewClient(conn)
	defer c.Close()
	if opt.verbose {
		c.DebugWriter = p.stderr
	}
	if err := c.Hello(localName()); err != nil {
		return replyError("greeting", err)
	}
	if err := do(c); err != nil {
		return err
	}
	// The message is the daemon's by now: how the farewell goes changes nothing.
	_ = c.Quit()
	return nil
}

func dialDaemon(opt sendmailOptions) (net.Conn, error) {
	address, err := daemonAddress(opt)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return nil, withCode(exitTempFail, fmt.Errorf("the mail daemon does not answer at %s; nothing was sent, try again later (%w)", address, err))
	}
	return conn, nil
}

// envelope sends MAIL and each RCPT.
func envelope(c *gosmtp.Client, opt sendmailOptions, sender string, recipients []string, size int64) error {
	mail := &gosmtp.MailOptions{Size: size, Return: opt.ret, EnvelopeID: opt.envelopeID}
	mail.UTF8 = !isASCII(sender + strings.Join(recipients, ""))
	if err := c.Mail(sender, mail); err != nil {
		return replyError("sender "+sender, err)
	}
	for _, r := range recipients {
		if err := c.Rcpt(r, &gosmtp.RcptOptions{Notify: opt.notify}); err != nil {
			return replyError("recipient "+r, err)
		}
	}
	return nil
}

// speakSMTP joins standard input and output to the daemon (-bs).
func speakSMTP(p process, opt sendmailOptions) error {
	conn, err := dialDaemon(opt)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		// Ends with the input, or with the process: the answers decide when we are done.
		_, _ = io.Copy(conn, p.stdin)
		if t, ok := conn.(*net.TCPConn); ok {
			_ = t.CloseWrite()
		}
	}()
	if _, err := io.Copy(p.stdout, conn); err != nil {
		return withCode(exitTempFail, fmt.Errorf("connection to the mail daemon: %w", err))
	}
	return nil
}

// replyError gives a refusal the exit code of sysexits.h that says it best; nil stays nil.
func replyError(what string, err error) error {
	if err == nil {
		return nil
	}
	code := exitTempFail
	var reply *gosmtp.SMTPError
	if errors.As(err, &reply) && reply.Code >= 500 {
		code = exitUnavailable
		switch e := reply.EnhancedCode; {
		case e[1] == 1 && e[2] <= 2, e[1] == 1 && e[2] == 6:
			code = exitNoUser
		case e[1] == 1:
			code = exitDataErr
		case e[1] == 7:
			code = exitNoPerm
		}
		return withCode(code, fmt.Errorf("%s: refused: %d %s", what, reply.Code, reply.Message))
	}
	return withCode(code, fmt.Errorf("%s: %w; nothing was sent, try again later", what, err))
}

// checkRecipients takes out angle brackets and doubles, and adds the host to bare names.
func checkRecipients(list []string, host string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, r := range list {
		r = qualify(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(r), "<"), ">"), host)
		if r == "" || strings.ContainsAny(r, "\r\n\x00") {
			return nil, withCode(exitDataErr, fmt.Errorf("%q is not an address", r))
		}
		if !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, withCode(exitUsage, errors.New("the message names no recipients in To, Cc or Bcc"))
	}
	return out, nil
}

// qualify makes a full address of a bare name; the null sender stays.
func qualify(address, host string) string {
	if address == "" || strings.Contains(address, "@") {
		return address
	}
	return address + "@" + host
}

func localName() string {
	name, err := os.Hostname()
	if err != nil || checkDomain(name) != "" {
		return "localhost"
	}
	return name
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" && isASCII(u.Username) {
		return u.Username
	}
	return "nobody"
}
