package milter

import (
	"encoding/binary"
	"fmt"

	wire "github.com/emersion/go-milter"

	"github.com/posthaste-mta/posthaste/message"
)

// maxChunk is the most of a body that one packet holds, as libmilter wants it.
const maxChunk = wire.MaxBodyChunk

// scan shows a message, step by step, until the filter has decided. Steps that the filter does not answer go out
// together with the next one that it does.
func (c *conn) scan(m *Message) (*answer, error) {
	c.budget = c.opt.MaxAnswer
	c.ended = false
	a := &answer{content: m.Content}
	for _, step := range []struct {
		name string
		run  func(*Message, *answer) error
	}{
		{"connect", c.connect}, {"helo", c.helo}, {"mail", c.mail}, {"rcpt", c.rcpts}, {"data", c.data},
		{"header", c.header}, {"end of header", c.endOfHeader}, {"body", c.body}, {"end of message", c.end},
	} {
		if err := step.run(m, a); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		if a.decided {
			break
		}
	}
	return a, nil
}

// step sends one command unless the filter does not want it, and reads the answer unless there is none.
func (c *conn) step(a *answer, code wire.Code, without, unanswered wire.OptProtocol, m macros, parts ...[]byte) error {
	if c.agreed.skips(without) {
		return nil
	}
	if err := c.sendMacros(code, m); err != nil {
		return err
	}
	if err := c.send(code, parts...); err != nil || c.agreed.skips(unanswered) {
		return err
	}
	p, err := c.receive()
	if err != nil {
		return err
	}
	return a.decide(p)
}

// connect is shown once for all messages of a client, and so is helo.
func (c *conn) connect(m *Message, a *answer) error {
	if c.reused {
		return nil
	}
	data := cstring(nil, m.clientName())
	switch ip := m.ClientAddr.Addr(); {
	case !m.ClientAddr.IsValid():
		data = append(cstring(nil, "localhost"), byte(wire.FamilyUnknown))
	case ip.Unmap().Is4():
		data = binary.BigEndian.AppendUint16(append(data, byte(wire.FamilyInet)), m.ClientAddr.Port())
		data = cstring(data, ip.Unmap().String())
	default:
		data = binary.BigEndian.AppendUint16(append(data, byte(wire.FamilyInet6)), m.ClientAddr.Port())
		data = cstring(data, ip.WithZone("").String())
	}
	return c.step(a, wire.CodeConn, wire.OptNoConnect, wire.OptNoConnReply, c.connectMacros(m), data)
}

func (c *conn) helo(m *Message, a *answer) error {
	if c.reused {
		return nil
	}
	return c.step(a, wire.CodeHelo, wire.OptNoHelo, wire.OptNoHeloReply, m.heloMacros(), cstring(nil, m.HELO))
}

func (c *conn) mail(m *Message, a *answer) error {
	return c.step(a, wire.CodeMail, wire.OptNoMailFrom, wire.OptNoMailReply, m.mailMacros(), cstring(nil, "<"+m.Sender+">"))
}

// rcpts shows the recipients. One that the filter refuses refuses the message: the client has been told already that
// all recipients are good, and its content can be answered only for all of them.
func (c *conn) rcpts(m *Message, a *answer) error {
	for _, rcpt := range m.Recipients {
		err := c.step(a, wire.CodeRcpt, wire.OptNoRcptTo, wire.OptNoRcptReply, m.rcptMacros(rcpt), cstring(nil, "<"+rcpt+">"))
		if err != nil || a.decided || a.takeSkip() {
			return err
		}
	}
	return nil
}

// data is a command since version 4 of the protocol.
func (c *conn) data(m *Message, a *answer) error {
	if c.agreed.version < 4 {
		return nil
	}
	return c.step(a, wire.CodeData, wire.OptNoData, wire.OptNoDataReply, m.idMacros())
}

func (c *conn) header(m *Message, a *answer) error {
	for f := range message.Fields(m.Content) {
		data := cstring(nil, string(f.Name(m.Content)))
		data = append(appendValue(data, f, m.Content, c.agreed.skips(wire.OptHeaderLeadingSpace)), 0)
		err := c.step(a, wire.CodeHeader, wire.OptNoHeaders, wire.OptNoHeaderReply, nil, data)
		if err != nil || a.decided || a.takeSkip() {
			return err
		}
	}
	return nil
}

func (c *conn) endOfHeader(m *Message, a *answer) error {
	return c.step(a, wire.CodeEOH, wire.OptNoEOH, wire.OptNoEOHReply, m.idMacros())
}

func (c *conn) body(m *Message, a *answer) error {
	for rest := m.Content[bodyStart(m.Content):]; len(rest) > 0; {
		chunk := rest[:min(len(rest), maxChunk)]
		rest = rest[len(chunk):]
		err := c.step(a, wire.CodeBody, wire.OptNoBody, wire.OptNoBodyReply, nil, chunk)
		if err != nil || a.decided || a.takeSkip() {
			return err
		}
	}
	return nil
}

// end asks for the decision; before it the filter may change the message.
func (c *conn) end(m *Message, a *answer) error {
	if err := c.sendMacros(wire.CodeEOB, m.idMacros()); err != nil {
		return err
	}
	if err := c.send(wire.CodeEOB); err != nil {
		return err
	}
	for {
		p, err := c.receive()
		if err != nil {
			return err
		}
		if isChange(p.code) {
			if err := a.change(p, c.agreed); err != nil {
				return err
			}
			continue
		}
		c.ended = true
		if err := a.decide(p); err != nil {
			return err
		}
		a.decided = true
		return nil
	}
}

// bodyStart returns where the body begins: behind the blank line, if there is one.
func bodyStart(content []byte) int {
	i := message.HeaderEnd(content)
	if i+1 < len(content) && content[i] == '\r' && content[i+1] == '\n' {
		i += 2
	}
	return i
}
