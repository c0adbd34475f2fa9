package relay

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-mta/posthaste/policy/auth"
	ours "github.com/posthaste-mta/posthaste/policy/dkim"
	"github.com/posthaste-mta/posthaste/smtp"
)

// Whoever may send by its login alone, from an address that nobody knows, has its mail signed; filters are told of
// the login.
func TestLoginIsSigned(t *testing.T) {
	inStory(t, "EHLO -> 250 PIPELINING", func(t *testing.T, s *story) {
		dns := map[string]string{}
		s.policy.Access.RelayNetworks = nil
		s.policy.DKIM = signingWith(t, "", signingKey(t, dns, "a.test", ours.Active))
		s.logins(auth.Credential{Name: "shop", Senders: []string{"a.test"}})
		s.onTheWireAt(&Intake{Relay: s.relay, Auth: AuthRequired, Submission: true}, func(c *wireClient) {
			c.say(plain("shop", secret), "235")
			c.say("MAIL FROM:<ann@a.test>\r\nRCPT TO:<bob@x.test>\r\nDATA\r\nFrom: ann@a.test\r\nSubject: x\r\n\r\nhello\r\n.\r\n", "250 250 354 250")
		})
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.remotes["mx.x.test"].Messages()
		if len(got) != 1 {
			t.Fatalf("%d messages came", len(got))
		}
		if signers := verified(t, dns, got[0].Content); signers != "a.test" {
			t.Errorf("signed by %q\n%s", signers, got[0].Content)
		}
	})
}

func TestFiltersAreToldOfTheLogin(t *testing.T) {
	inStory(t, "", func(t *testing.T, s *story) {
		s.logins(auth.Credential{Name: "shop", Senders: []string{"a.test"}})
		made, err := (&Intake{Relay: s.relay, Auth: AuthRequired}).NewSession(&smtp.ConnInfo{
			HELO: "client.test", ESMTP: true, RemoteAddr: netip.MustParseAddrPort("192.0.2.9:1234"),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer made.Logout()
		x, err := made.(authSession).Auth(auth.Plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Next([]byte("\x00shop\x00" + secret)); !done || err != nil {
			t.Fatal(done, err)
		}
		told := (&incoming{session: made.(authSession).session}).milterSession()
		if told.AuthName != "shop" || told.AuthType != auth.Plain {
			t.Errorf("told %+v", told)
		}
	})
	for suite, want := range map[string]int{"TLS_AES_128_GCM_SHA256": 128, "TLS_CHACHA20_POLY1305_SHA256": 256, "TLS_RSA_WITH_3DES_EDE_CBC_SHA": 168, "0x1234": 0} {
		if got := cipherBits(suite); got != want {
			t.Errorf("%s: %d", suite, got)
		}
	}
}
