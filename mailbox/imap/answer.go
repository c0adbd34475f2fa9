package imap

import "strings"

// answer answers the commands that are not for the library: what it does not know, and what it would tell
// otherwise than we do.
func (g *gate) answer(c *command) (bool, error) {
	switch c.name {
	case "CAPABILITY":
		if strings.TrimSpace(c.args) != "" {
			return true, &refusal{tag: c.tag, reply: "BAD No arguments belong here"}
		}
		return true, g.tell("* CAPABILITY "+g.srv.capabilities(), c.tag+" OK CAPABILITY completed")
	case "IDLE":
		if c.args != "" {
			// The library refuses it, and what comes next would be taken for its DONE.
			return true, &refusal{tag: c.tag, reply: "BAD No arguments belong here"}
		}
	case "ID":
		return true, g.tell(g.srv.identity(), c.tag+" OK ID completed")
	case "STARTTLS", "LOGIN", "AUTHENTICATE":
		return true, &refusal{tag: c.tag, reply: "BAD Logged in already"}
	}
	return false, nil
}

func (g *gate) tell(lines ...string) error {
	return g.write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
}
