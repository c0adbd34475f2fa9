package main

import (
	_ "embed"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ispPrefix begins a next hop that is a provider's: "isp:orange.fr".
const ispPrefix = "isp:"

//go:embed isp/providers.toml
var providersText []byte

// Provider is what isp/providers.toml says of one mail provider; the file explains the fields.
type Provider struct {
	Name     string     `toml:"name" json:"name"`
	Domains  []string   `toml:"domains" json:"domains"`
	Hosting  bool       `toml:"hosting" json:"hosting,omitempty"`
	POP      []Endpoint `toml:"pop" json:"pop,omitempty"`
	IMAP     []Endpoint `toml:"imap" json:"imap,omitempty"`
	SMTP     []Endpoint `toml:"smtp" json:"smtp,omitempty"`
	User     string     `toml:"user" json:"user"`
	Password string     `toml:"password" json:"password" enum:"own,app,oauth"`
	Note     string     `toml:"note" json:"note,omitempty"`
}

// Endpoint is one server: "host:port tls" or "host:port starttls".
type Endpoint struct {
	Host string `json:"host"`
	Port uint16 `json:"port"`
	TLS  string `json:"tls"` // tls or starttls
}

// UnmarshalText reads what String returns.
func (e *Endpoint) UnmarshalText(text []byte) error {
	at, kind, _ := strings.Cut(string(text), " ")
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return fmt.Errorf("%q is not host:port and tls or starttls", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a port", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && checkDomain(host) != "" {
		return fmt.Errorf("%q is not a host", host)
	}
	if kind != "tls" && kind != "starttls" {
		return fmt.Errorf("%q is neither tls nor starttls", kind)
	}
	*e = Endpoint{Host: host, Port: uint16(n), TLS: kind}
	return nil
}

// String returns the form in the file.
func (e Endpoint) String() string { return e.address() + " " + e.TLS }

func (e Endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// providers reads the file. A test does so too: it does not fail.
func providers() ([]Provider, error) {
	var file struct {
		Providers []Provider `toml:"provider"`
	}
	_, err := decodeText("isp/providers.toml", providersText, &file)
	return file.Providers, err
}

// findProvider returns the provider of a name: a domain of its, its name, or an address there.
func findProvider(name string) (*Provider, error) {
	list, err := providers()
	if err != nil {
		return nil, err
	}
	wanted := strings.ToLower(strings.TrimSuffix(name[strings.LastIndexByte(name, '@')+1:], "."))
	for i := range list {
		p := &list[i]
		if slices.Contains(p.Domains, wanted) || strings.EqualFold(p.Name, name) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no provider %s in the list; the nearest is %s", printable(name), nearestProvider(list, wanted))
}

// nearestProvider returns the known domain that a name was most likely meant to be: one of its first part, or the one that is
// the fewest letters away.
func nearestProvider(list []Provider, name string) string {
	best, least := "", 1<<30
	for _, p := range list {
		for i, d := range p.Domains {
			first, _, _ := strings.Cut(d, ".")
			away := min(distance(name, d), distance(name, first)+1, distance(name, strings.ToLower(p.Name))+1)
			if away = 2*away + min(i, 1); away < least {
				best, least = d, away
			}
		}
	}
	return best
}

// userFor returns the user name of an address.
func (p *Provider) userFor(address string) string {
	name, _, _ := strings.Cut(address, "@")
	switch p.User {
	case "address":
		return address
	case "name":
		return name
	default:
		return p.User
	}
}
