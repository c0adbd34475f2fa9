package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// ispCmd is `posthaste isp`.
type ispCmd struct {
	Name string `arg:"" optional:"" help:"A domain of the provider's, its name, or an address there."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is the long help.
func (ispCmd) Help() string {
	return `Prints the servers of a well-known mail provider for POP, IMAP and SMTP, and what to type for a user name
and password. Without NAME it lists the providers it knows. Any of them can be the smart host:
smart_host = "isp:NAME", with a [[login]].

Examples:
  posthaste isp
  posthaste isp orange.fr
  posthaste isp --json ann@free.fr`
}

// Run prints.
func (c *ispCmd) Run(p process) error {
	if c.Name == "" {
		return c.list(p)
	}
	provider, err := findProvider(c.Name)
	if err != nil {
		return withCode(exitNo, fmt.Errorf("%w (posthaste isp lists all)", err))
	}
	address := c.Name
	if !strings.Contains(address, "@") {
		address = "ann@" + provider.domain(c.Name)
	}
	if c.JSON {
		return writeJSON(p.stdout, struct {
			*Provider
			UserExample string `json:"user_example"`
		}{provider, provider.userFor(address)})
	}
	provider.print(p.stdout, c.Name, address)
	return nil
}

func (c *ispCmd) list(p process) error {
	list, err := providers()
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(p.stdout, list)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	for _, provider := range list {
		fmt.Fprintf(w, "%s\t%s\n", provider.Name, strings.Join(provider.Domains, " "))
	}
	return w.Flush()
}

// writeJSON writes v on a line.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// domain returns the domain to show in examples for what somebody asked for.
func (p *Provider) domain(name string) string {
	switch name = strings.ToLower(name); {
	case p.Hosting:
		return "example.com"
	case strings.Contains(name, "."):
		return name
	default:
		return p.Domains[0]
	}
}

func (p *Provider) print(out io.Writer, name, address string) {
	fmt.Fprintf(out, "%s: %s\n", p.Name, strings.Join(p.Domains, ", "))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	p.printServers(w, "POP", p.POP)
	p.printServers(w, "IMAP", p.IMAP)
	p.printServers(w, "SMTP", p.SMTP)
	fmt.Fprintf(w, "  user\t%s\n", p.userWords(address))
	fmt.Fprintf(w, "  password\t%s\n", passwordWords[p.Password])
	w.Flush()
	if p.Note != "" {
		fmt.Fprintf(out, "%s\n", p.Note)
	}
	if p.smartHost() == nil {
		fmt.Fprintf(out, `
To send through it, in the configuration:

  smart_host = "isp:%s"

  [[login]]
  user = "%s"
  password_file = "/etc/posthaste/%s.password"
`, p.Domains[0], p.userFor(address), p.Domains[0])
	}
}

func (p *Provider) printServers(w io.Writer, protocol string, list []Endpoint) {
	if len(list) == 0 {
		fmt.Fprintf(w, "  %s\tnot known or not offered\n", protocol)
	}
	for _, e := range list {
		fmt.Fprintf(w, "  %s\t%s\tport %d\t%s\n", protocol, e.Host, e.Port, map[string]string{"tls": "TLS", "starttls": "STARTTLS"}[e.TLS])
	}
}

func (p *Provider) userWords(address string) string {
	switch p.User {
	case "address":
		return "the whole address: " + address
	case "name":
		return "what is before the @: " + p.userFor(address)
	default:
		return p.User
	}
}

// passwordWords tell of each kind of password in the file.
var passwordWords = map[string]string{
	"own":   "that of the account",
	"app":   "an app password, made in the account's settings",
	"oauth": "none does: clients need OAuth 2.0",
}

// smartHost tells why the provider cannot be a smart host; nil if it can.
func (p *Provider) smartHost() error {
	switch {
	case len(p.SMTP) == 0:
		return errors.New(p.Name + " has no server that mail could be sent through")
	case p.Password == "oauth":
		return errors.New(p.Name + " wants OAuth 2.0, which is not known here: no password does")
	default:
		return nil
	}
}
