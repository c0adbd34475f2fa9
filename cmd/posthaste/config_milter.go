package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-mta/posthaste/policy/milter"
)

// Milter is an outside program that looks at mail before it is accepted, by the mail filter protocol.
type Milter struct {
	Name string `toml:"name"` // in replies, events and metrics
	// Address is unix:PATH or tcp:HOST:PORT.
	Address string `toml:"address"`
	// Listeners are those whose mail it sees; none: all. Several filters see a message in their order here.
	Listeners []string `toml:"listeners"`
	// OnFailure is tempfail (451: the client comes again) or pass, for mail that it does not decide about.
	OnFailure string `toml:"on_failure" enum:"tempfail,pass"`
	// ConnectTimeout is for the connection, CommandTimeout for each answer, MessageTimeout for all of a message.
	ConnectTimeout Duration `toml:"connect_timeout" min:"10ms" max:"5m"`
	CommandTimeout Duration `toml:"command_timeout" min:"10ms" max:"10m"`
	MessageTimeout Duration `toml:"message_timeout" min:"10ms" max:"30m"`
	Connections    int      `toml:"connections" min:"1" max:"1000"` // messages that it looks at, at once
}

// complete fills what the file left out.
func (m *Milter) complete() {
	if m.OnFailure == "" {
		m.OnFailure = "tempfail"
	}
	for _, d := range []struct {
		value *Duration
		is    time.Duration
	}{{&m.ConnectTimeout, 10 * time.Second}, {&m.CommandTimeout, 30 * time.Second}, {&m.MessageTimeout, 5 * time.Minute}} {
		if d.value.Duration == 0 {
			d.value.Duration = d.is
		}
	}
	if m.Connections == 0 {
		m.Connections = 16
	}
}

// milters checks [[milter]].
func (c *checker) milters() {
	names := map[string]string{}
	for i, m := range c.cfg.Milters {
		key := fmt.Sprintf("milter[%d].", i)
		if m.Name == "" {
			c.fail(key+"name", "is missing")
		}
		c.unique(names, m.Name, key+"name")
		if _, _, err := m.network(); err != nil {
			c.fail(key+"address", "%v", err)
		}
		for n, name := range m.Listeners {
			if !slices.ContainsFunc(c.cfg.Listeners, func(l Listener) bool { return l.Name == name }) {
				c.fail(key+"listeners", "element %d: there is no [[listener]] named %q", n+1, name)
			}
		}
	}
}

// network returns where the program listens, as net.Dial wants it.
func (m *Milter) network() (network, address string, err error) {
	network, address, _ = strings.Cut(m.Address, ":")
	switch network {
	case "unix":
		if strings.HasPrefix(address, "/") {
			return network, address, nil
		}
	case "tcp":
		host, port, err := net.SplitHostPort(address)
		if n, bad := strconv.ParseUint(port, 10, 16); err == nil && bad == nil && n > 0 && host != "" {
			return network, address, nil
		}
	}
	return "", "", fmt.Errorf("%q is neither unix:/PATH nor tcp:HOST:PORT", m.Address)
}

// options returns the filter as the engine takes it.
func (m *Milter) options(hostname string) (milter.Options, error) {
	network, address, err := m.network()
	o := milter.Options{
		Name: m.Name, Network: network, Address: address, Hostname: hostname, Version: "posthaste " + version(),
		Connect: m.ConnectTimeout.Duration, Command: m.CommandTimeout.Duration, Message: m.MessageTimeout.Duration,
		Connections: m.Connections,
	}
	if m.OnFailure == "pass" {
		o.OnFailure = milter.Pass
	}
	return o, err
}
