package pop3

import (
	"slices"
	"strings"

	"github.com/emersion/go-sasl"
)

// capa answers CAPA (RFC 2449 5).
func (c *conn) capa() {
	mechanisms := c.cfg.Logins.Mechanisms(c.tls)
	c.say(replyCapa)
	c.say("TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n")
	if c.drop == nil && c.tls == nil && c.srv.tls != nil && c.tlsReady() {
		c.say("STLS\r\n")
	}
	utf8 := "UTF8\r\n"
	if passwords(mechanisms) {
		c.say("USER\r\n")
		utf8 = "UTF8 USER\r\n" // names and secrets too (RFC 6856 2.2)
	}
	if len(mechanisms) > 0 {
		c.say("SASL " + strings.Join(mechanisms, " ") + "\r\n")
	}
	c.say(utf8)
	c.say("IMPLEMENTATION posthaste\r\n" + replyListEnd)
}

// passwords tells whether USER and PASS may be used: where these mechanisms, which show the secret as much,
// may be.
func passwords(mechanisms []string) bool {
	return slices.Contains(mechanisms, sasl.Plain) || slices.Contains(mechanisms, sasl.Login)
}
