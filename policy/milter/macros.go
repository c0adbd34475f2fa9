package milter

import (
	"net/netip"
	"strconv"
	"strings"

	wire "github.com/emersion/go-milter"
)

// macros are the names and values sent ahead of a step; those without a value are left out.
type macros []string

func (m macros) add(name, value string) macros {
	if value == "" {
		return m
	}
	return append(m, name, value)
}

// sendMacros tells the values that belong to the step that follows.
func (c *conn) sendMacros(step wire.Code, m macros) error {
	if len(m) == 0 {
		return nil
	}
	data := []byte{byte(step)}
	for _, s := range m {
		data = cstring(data, s)
	}
	return c.send(wire.CodeMacro, data)
}

func (c *conn) connectMacros(m *Message) macros {
	var out macros
	out = out.add("j", c.opt.Hostname).add("{daemon_name}", m.Listener).add("v", c.opt.Version)
	if m.LocalAddr.IsValid() {
		out = out.add("{daemon_addr}", m.LocalAddr.Addr().String()).add("{daemon_port}", strconv.Itoa(int(m.LocalAddr.Port())))
	}
	if m.ClientAddr.IsValid() {
		name, address := m.clientName(), m.ClientAddr.Addr().String()
		out = out.add("{client_addr}", address).add("{client_name}", name).add("{client_ptr}", name).
			add("{client_port}", strconv.Itoa(int(m.ClientAddr.Port())))
		if m.ClientName != "" {
			name += " "
			out = out.add("_", name+bracketed(m.ClientAddr.Addr()))
		} else {
			out = out.add("_", name)
		}
	}
	return out
}

func (m *Message) heloMacros() macros {
	bits := ""
	if m.TLSBits > 0 {
		bits = strconv.Itoa(m.TLSBits)
	}
	return macros(nil).add("{tls_version}", m.TLSVersion).add("{cipher}", m.TLSCipher).add("{cipher_bits}", bits)
}

func (m *Message) mailMacros() macros {
	return macros(nil).add("i", m.QueueID).add("{auth_type}", m.AuthType).add("{auth_authen}", m.AuthName).
		add("{mail_addr}", m.Sender).add("{mail_host}", domainOf(m.Sender)).add("{mail_mailer}", "smtp")
}

func (m *Message) rcptMacros(rcpt string) macros {
	return macros(nil).add("i", m.QueueID).add("{rcpt_addr}", rcpt).add("{rcpt_host}", domainOf(rcpt)).add("{rcpt_mailer}", "smtp")
}

func (m *Message) idMacros() macros { return macros(nil).add("i", m.QueueID) }

// clientName is the client's name, or its address in brackets.
func (m *Message) clientName() string {
	if m.ClientName != "" {
		return m.ClientName
	}
	return bracketed(m.ClientAddr.Addr())
}

func bracketed(a netip.Addr) string { return "[" + a.String() + "]" }

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
