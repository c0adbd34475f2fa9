package main

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
)

// checker gathers what is wrong with a complete configuration.
type checker struct {
	cfg  *Config
	pos  *Positions
	errs ConfigErrors
}

// checkConfig tells everything that is wrong with a complete configuration, by line. It looks at
// nothing but the configuration and the files it names.
func checkConfig(cfg *Config, pos *Positions) ConfigErrors {
	c := &checker{cfg: cfg, pos: pos}
	c.bounds()
	c.names()
	c.listeners()
	c.certificates()
	c.credentials()
	c.destinations()
	c.nextHopLogins()
	c.sources()
	c.retries()
	c.classify()
	c.queueAndDNS()
	c.mailbox()
	c.autoconfig()
	c.inbound()
	c.greylist()
	c.milters()
	c.dkim()
	c.limits()
	return c.errs.sorted()
}

func (c *checker) fail(key, format string, args ...any) {
	c.errs = append(c.errs, ConfigError{c.pos.File, c.pos.nearest(key), key, fmt.Sprintf(format, args...)})
}

// bounds checks the enum, min and max tags.
func (c *checker) bounds() {
	for _, s := range settings(c.cfg) {
		if list := s.tag.Get("enum"); list != "" {
			if !slices.Contains(strings.Split(list, ","), s.value.String()) {
				c.fail(s.key, "%q is not one of %s", s.value.String(), strings.ReplaceAll(list, ",", ", "))
			}
			continue
		}
		for _, v := range elements(s.value) {
			c.bound(s, v)
		}
	}
}

func elements(v reflect.Value) []reflect.Value {
	if v.Kind() != reflect.Slice {
		return []reflect.Value{v}
	}
	out := make([]reflect.Value, v.Len())
	for i := range out {
		out[i] = v.Index(i)
	}
	return out
}

func (c *checker) bound(s setting, v reflect.Value) {
	n, ok := number(v)
	if !ok {
		return
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		c.fail(s.key, "is not a number")
		return
	}
	if low := s.tag.Get("min"); low != "" && n < parseBound(low, v.Type()) {
		c.fail(s.key, "%s is less than %s, the least allowed", strings.Trim(valueString(v), `"`), low)
	}
	if high := s.tag.Get("max"); high != "" && n > parseBound(high, v.Type()) {
		c.fail(s.key, "%s is more than %s, the most allowed", strings.Trim(valueString(v), `"`), high)
	}
}

func number(v reflect.Value) (float64, bool) {
	if d, ok := v.Interface().(Duration); ok {
		return float64(d.Duration), true
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return float64(v.Int()), true
	case reflect.Float64:
		return v.Float(), true
	default:
		return 0, false
	}
}

// parseBound reads a min or max tag in the notation of t; a test reads every tag.
func parseBound(s string, t reflect.Type) float64 {
	switch t {
	case reflect.TypeFor[Duration]():
		var d Duration
		if d.UnmarshalText([]byte(s)) == nil {
			return float64(d.Duration)
		}
	case reflect.TypeFor[Size]():
		var n Size
		if n.UnmarshalText([]byte(s)) == nil {
			return float64(n)
		}
	default:
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return n
		}
	}
	return math.NaN()
}

// names checks the names that go on the wire and into paths.
func (c *checker) names() {
	if problem := checkHostname(c.cfg.Hostname); problem != "" {
		c.fail("hostname", "%s", problem)
	}
	if c.cfg.DataDir == "" {
		c.fail("data_dir", "must not be empty")
	}
	if c.cfg.Control.Socket == "" {
		c.fail("control.socket", "must not be empty")
	} else if len(c.cfg.Control.Socket) > 100 {
		c.fail("control.socket", "is too long for a unix socket (100 bytes at most)")
	}
	if from := c.cfg.Bounce.From; c.pos.lines["bounce.from"] > 0 && (strings.Count(from, "@") != 1 || strings.ContainsAny(from, " <>\r\n\t")) {
		c.fail("bounce.from", "%q is not a bare address", from)
	}
	if to := c.cfg.Relay.Postmaster; to != "" {
		if _, err := message.ParseAddress(to, false); err != nil {
			c.fail("relay.postmaster", "%q is not a bare address", to)
		}
	}
	if a := c.cfg.HTTP.Address; a != "" {
		c.address("http.address", a)
	}
	if _, err := readRecipients(c.cfg.Relay.Recipients); err != nil {
		c.fail("relay.recipients", "%v", err)
	}
	for i, d := range c.cfg.Relay.Domains {
		if problem := checkDomain(strings.TrimPrefix(d, ".")); problem != "" {
			c.fail("relay.domains", "element %d: %s", i+1, problem)
		}
	}
}

func (c *checker) listeners() {
	if len(c.cfg.Listeners) == 0 {
		c.fail("listener", "no listener: no mail could come in")
	}
	names, addresses := map[string]string{}, map[string]string{}
	for i, l := range c.cfg.Listeners {
		key := fmt.Sprintf("listener[%d]", i)
		c.unique(names, l.Name, key+".name")
		if l.Address != "systemd" {
			c.address(key+".address", l.Address)
			if !strings.HasSuffix(l.Address, ":0") {
				c.unique(addresses, l.Address, key+".address")
			}
		}
		if insecure := l.TLS == "none" && !l.AuthInsecure; insecure && (l.Auth == "required" || l.Auth == "optional") {
			c.fail(key+".auth", "is %s, but nobody can log in without TLS: set tls, or auth_insecure", l.Auth)
		}
		c.listenerTLS(key, l)
	}
}

// unique fails when an earlier key has the same value; seen is value -> key.
func (c *checker) unique(seen map[string]string, value, key string) {
	if first, ok := seen[value]; ok {
		c.fail(key, "%q is taken by %s already", value, first)
		return
	}
	seen[value] = key
}

// address checks where to listen: host may be missing, the port not.
func (c *checker) address(key, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		c.fail(key, "%q is not host:port", address)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		c.fail(key, "%q is not a port (0 to 65535)", port)
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && checkDomain(host) != "" {
		c.fail(key, "%q is neither an address nor a host name", host)
	}
}
