package relay

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/nexthop"
	"github.com/posthaste-mta/posthaste/resolver"
	"github.com/posthaste-mta/posthaste/smtp"
)

// errLogin is wrapped when a host did not take our login. What it does with mail is decided by the status beside it:
// it waits, whatever the host said. A wrong password is the operator's to mend, and no reason to send mail back.
var errLogin = errors.New("not logged in")

// wantTLS is the TLS that the policy asks for. Where a password is shown, only a server that has proved its name sees it.
func (c *connector) wantTLS(host resolver.Host, addr netip.AddrPort) policy.TLSPolicy {
	if login, ok := c.logins.At(host.Name, addr.Port()); ok && !login.Insecure {
		return policy.TLSVerify
	}
	return c.limits.TLS
}

// encrypt does the handshake of a connection that begins with TLS (RFC 8314 3.3).
func (c *connector) encrypt(ctx context.Context, conn net.Conn, host resolver.Host, addr netip.AddrPort, notes hostNotes) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.limits.Phases.StartTLS, time.Minute))
	defer cancel()
	secured := tls.Client(conn, c.tlsSettings(host, c.wantTLS(host, addr), notes))
	err := secured.HandshakeContext(ctx)
	c.step("tls", "", err)
	if err != nil {
		conn.Close()
		return nil, handshakeFailed(host, err)
	}
	return secured, nil
}

// logIn shows who we are, where the operator says so. A mechanism that is announced and not there gives way to the next;
// a refused password is not shown twice, which could lock the account.
func (c *connector) logIn(ctx context.Context, client *smtp.Client, host resolver.Host, login nexthop.Login) error {
	if login.User == "" {
		return nil
	}
	if state, ok := client.TLS(); !login.Insecure && (!ok || len(state.VerifiedChains) == 0) {
		return notLoggedIn(host, login, "the connection is not secured by a certificate that names the host")
	}
	offered := client.Extensions().Auth
	mechanisms := login.Mechanisms(offered)
	if len(mechanisms) == 0 {
		return notLoggedIn(host, login, fmt.Sprintf("the host offers no way to log in that is known here (it offers %q)", offered))
	}
	for i, m := range mechanisms {
		err := client.Auth(ctx, m)
		c.step("auth", m.Name(), err)
		var refused message.Status
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &refused):
			return err
		case refused.Code == 504 && i+1 < len(mechanisms) && client.Err() == nil:
		case refused.Code < 500:
			return &loginError{refused}
		default:
			return notLoggedIn(host, login, "the host says "+refused.String())
		}
	}
	return nil // not reached
}

// loginError is a status that is about our login and not about mail.
type loginError struct{ status message.Status }

func (e *loginError) Error() string        { return errLogin.Error() + ": " + e.status.Error() }
func (e *loginError) Is(target error) bool { return target == errLogin }
func (e *loginError) Unwrap() error        { return e.status }

func notLoggedIn(host resolver.Host, login nexthop.Login, why string) error {
	return &loginError{localStatus(451, message.EnhancedCode{4, 7, 8},
		fmt.Sprintf("cannot log in to %s as %s: %s (see [[login]] in the configuration)", host.Name, login.User, why))}
}
