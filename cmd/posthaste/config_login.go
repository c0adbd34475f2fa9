package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/nexthop"
	"github.com/posthaste-mta/posthaste/resolver"
)

// Login is who we are at a next hop that wants to know, such as a provider's smart host. Who may log in here is a
// Credential.
type Login struct {
	// At is the next hop as smart_host or a route says it. Default: what smart_host says. That very host is
	// connected to, whatever its MX records; without a port of its own, at 465 with implicit TLS and at 587 with STARTTLS.
	At string `toml:"at"`
	// User and PasswordFile log in; without them the host only gets the TLS below. A name without "/" is first looked for in
	// $CREDENTIALS_DIRECTORY, where systemd's LoadCredential puts it.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
	// TLS is implicit (from the first byte) or starttls. Default: implicit at port 465 or without a port, starttls at
	// others. The certificate must name the host.
	TLS string `toml:"tls" enum:"implicit,starttls"`
	// Insecure shows the password to a server without a certificate that names it, or without TLS.
	Insecure bool `toml:"insecure"`
}

// complete fills what follows from other keys.
func (l *Login) complete(smartHost string) {
	if l.At == "" {
		l.At = smartHost
	}
	if l.TLS != "" {
		return
	}
	l.TLS = "starttls"
	if hop, err := parseNextHop(l.At); err == nil && (hop.Port == submissionsPort || hop.Port == 0) {
		l.TLS = "implicit"
	}
}

const (
	submissionsPort = 465 // RFC 8314 7.3
	submissionPort  = 587 // RFC 6409 3.1
)

// hop returns the host and port that the login is for.
func (l *Login) hop() (resolver.NextHop, error) {
	hop, err := parseNextHop(l.At)
	if err != nil {
		return resolver.NextHop{}, err
	}
	if hop.LMTP {
		return resolver.NextHop{}, errors.New("LMTP knows no login")
	}
	hop.Direct = true
	if hop.Port == 0 && l.TLS == "implicit" {
		hop.Port = submissionsPort
	} else if hop.Port == 0 {
		hop.Port = submissionPort
	}
	return hop, nil
}

// parseNextHop reads a next hop as smart_host and routes say it, a provider's too.
func parseNextHop(s string) (resolver.NextHop, error) {
	name, isp := strings.CutPrefix(s, ispPrefix)
	if !isp {
		return resolver.ParseNextHop(s)
	}
	provider, err := findProvider(name)
	if err == nil {
		err = provider.smartHost()
	}
	if err != nil {
		return resolver.NextHop{}, err
	}
	e := provider.SMTP[0]
	return resolver.ParseNextHop(fmt.Sprintf("[%s]:%d", e.Host, e.Port))
}

// routing returns routes and smart host in the resolver's words: that of a provider is its host, and a next hop with a login
// is the very host of it. What cannot be read is left for the resolver to refuse.
func (c *Config) routing() (routes map[string]string, smartHost string) {
	at := map[string]string{}
	for i := range c.Logins {
		if hop, err := c.Logins[i].hop(); err == nil {
			at[c.Logins[i].At] = hop.String()
		}
	}
	translate := func(target string) string {
		if hop, ok := at[target]; ok {
			return hop
		}
		if hop, err := parseNextHop(target); err == nil && strings.HasPrefix(target, ispPrefix) {
			return hop.String()
		}
		return target
	}
	routes = make(map[string]string, len(c.Routes))
	for domain, target := range c.Routes {
		routes[domain] = translate(target)
	}
	return routes, translate(c.SmartHost)
}

// logins reads the passwords. An error is of the login of the number returned.
func (c *Config) logins() (out nexthop.Logins, wrong int, err error) {
	for i := range c.Logins {
		l := &c.Logins[i]
		hop, err := l.hop()
		if err != nil {
			return nil, i, fmt.Errorf("at: %w", err)
		}
		login := nexthop.Login{User: l.User, ImplicitTLS: l.TLS == "implicit", Insecure: l.Insecure}
		if l.PasswordFile != "" {
			if login.Password, err = readPassword(l.PasswordFile); err != nil {
				return nil, i, fmt.Errorf("password_file: %w", err)
			}
		}
		if err := login.Check(); err != nil {
			return nil, i, err
		}
		if out == nil {
			out = nexthop.Logins{}
		}
		out[nexthop.Key(hop.HostName(), hop.Port)] = login
	}
	return out, 0, nil
}

// readPassword returns the one line of a file.
func readPassword(name string) (string, error) {
	secret, hash, _, err := readSecretFile(name)
	if err == nil && hash != "" {
		err = errors.New("holds a hash: a login wants the password itself")
	}
	return secret, err
}

// nextHopLogins checks [[login]] and that the providers named as next hops can be used.
func (c *checker) nextHopLogins() {
	used := map[string]bool{c.cfg.SmartHost: true}
	for _, target := range c.cfg.Routes {
		used[target] = true
	}
	withLogin, seen := map[string]bool{}, map[string]string{}
	for i := range c.cfg.Logins {
		l, key := &c.cfg.Logins[i], fmt.Sprintf("login[%d]", i)
		withLogin[l.At] = l.User != ""
		switch {
		case l.At == "":
			c.fail(key+".at", "is missing, and there is no smart_host that it could be for")
		case !used[l.At]:
			c.fail(key+".at", "%q is neither smart_host nor the target of a route, letter for letter", l.At)
		}
		if hop, err := l.hop(); err == nil {
			c.unique(seen, hop.String(), key+".at")
		}
	}
	if _, i, err := c.cfg.logins(); err != nil && c.cfg.Logins[i].At != "" {
		key, _, _ := strings.Cut(err.Error(), ":")
		switch key {
		case "password_file", "at":
			c.fail(fmt.Sprintf("login[%d].%s", i, key), "%s", strings.TrimPrefix(err.Error(), key+": "))
		default:
			c.fail(fmt.Sprintf("login[%d]", i), "has %v", err)
		}
	}
	wants := func(key, target string) {
		if name, ok := strings.CutPrefix(target, ispPrefix); ok && !withLogin[target] {
			c.fail(key, "%s wants a [[login]] with user and password_file (posthaste isp %s shows one)", target, name)
		}
	}
	wants("smart_host", c.cfg.SmartHost)
	for domain, target := range c.cfg.Routes {
		wants("routes."+quoteKey(domain), target)
	}
}
