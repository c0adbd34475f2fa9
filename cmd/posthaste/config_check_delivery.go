package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/posthaste-mta/posthaste/resolver"
)

// destinations checks routes, the smart host and sites.
func (c *checker) destinations() {
	for domain, target := range c.cfg.Routes {
		key := "routes." + quoteKey(domain)
		if problem := checkDomain(strings.TrimPrefix(domain, ".")); domain != "*" && problem != "" {
			c.fail(key, "%s", problem)
		}
		c.target(key, target)
	}
	if c.cfg.SmartHost != "" {
		c.target("smart_host", c.cfg.SmartHost)
	}
	for i, s := range c.cfg.Sites {
		key := fmt.Sprintf("site[%d].match", i)
		if len(s.Match) == 0 {
			c.fail(key, "is missing or empty: which domains or sites is this for?")
		}
		for _, m := range s.Match {
			if pattern, ok := strings.CutPrefix(m, "site:"); ok {
				if pattern == "" {
					c.fail(key, "%q names no site", m)
				}
				continue
			}
			if problem := checkDomain(strings.TrimPrefix(m, ".")); problem != "" {
				c.fail(key, `%s (a pattern of sites begins with "site:")`, problem)
			}
		}
	}
}

// target checks where a route leads: host (its MX is looked up), host:port, [address],
// [address]:port, or to a mail store lmtp://host:port or lmtp:unix:/path.
func (c *checker) target(key, target string) {
	if strings.HasPrefix(target, ispPrefix) {
		if _, err := parseNextHop(target); err != nil {
			c.fail(key, "%v", err)
		}
		return
	}
	if strings.HasPrefix(target, "lmtp:/") || strings.HasPrefix(target, "lmtp:unix:") {
		if _, err := resolver.ParseNextHop(target); err != nil {
			c.fail(key, "%v", err)
		}
		return
	}
	host := target
	if strings.HasSuffix(target, "]") {
		host = strings.TrimPrefix(strings.TrimSuffix(target, "]"), "[")
	} else if h, port, err := net.SplitHostPort(target); err == nil {
		host = h
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			c.fail(key, "%q is not a port (1 to 65535)", port)
		}
	}
	if _, err := netip.ParseAddr(host); err != nil && checkDomain(host) != "" {
		c.fail(key, "%q is none of host, host:port, [address]:port, lmtp://host:port, lmtp:unix:/path", target)
	}
}

// sources checks sources, pools, and who names them.
func (c *checker) sources() {
	names := map[string]string{}
	for i, s := range c.cfg.Sources {
		key := fmt.Sprintf("source[%d]", i)
		if s.Name == "" {
			c.fail(key+".name", "is missing")
		}
		c.unique(names, s.Name, key+".name")
		if !s.IP.IsValid() {
			c.fail(key+".ip", "is missing")
		}
		if problem := checkHostname(s.EHLO); problem != "" {
			c.fail(key+".ehlo", "%s", problem)
		}
	}
	pools := map[string]string{}
	for i, p := range c.cfg.Pools {
		key := fmt.Sprintf("pool[%d]", i)
		if p.Name == "" {
			c.fail(key+".name", "is missing")
		}
		c.unique(pools, p.Name, key+".name")
		sum := 0
		for name, weight := range p.Sources {
			if names[name] == "" {
				c.fail(key+".sources."+quoteKey(name), "there is no [[source]] of that name")
			}
			if weight < 0 || weight > 1000 {
				c.fail(key+".sources."+quoteKey(name), "a weight is 0 to 1000")
			}
			sum += max(weight, 0)
		}
		if sum == 0 {
			c.fail(key+".sources", "no source with a weight above 0")
		}
	}
	c.pool(pools, "delivery.pool", c.cfg.Delivery.Pool)
	for i, s := range c.cfg.Sites {
		if s.Pool != nil {
			c.pool(pools, fmt.Sprintf("site[%d].pool", i), *s.Pool)
		}
	}
}

func (c *checker) pool(pools map[string]string, key, name string) {
	if name != "" && pools[name] == "" {
		c.fail(key, "there is no [[pool]] named %q", name)
	}
}

func (c *checker) retries() {
	c.schedule("retry.", c.cfg.Retry)
	seen := map[string]string{}
	for i, d := range c.cfg.Retry.Domains {
		key := fmt.Sprintf("retry.domain[%d].", i)
		if len(d.Match) == 0 {
			c.fail(key+"match", "is missing or empty: which domains is this for?")
		}
		for _, m := range d.Match {
			if problem := checkDomain(strings.TrimPrefix(m, ".")); problem != "" {
				c.fail(key+"match", "%s", problem)
			}
			c.unique(seen, m, key+"match")
		}
		c.schedule(key, c.cfg.Retry.With(d))
	}
}

func (c *checker) schedule(prefix string, r Retry) {
	if len(r.Intervals) == 0 {
		c.fail(prefix+"intervals", "is empty: when would mail be tried again?")
	}
	if r.DelayWarning.Duration > 0 && r.DelayWarning.Duration >= r.Expire.Duration {
		c.fail(prefix+"delay_warning", "%s is not before expire (%s); \"0s\" means no warning", r.DelayWarning, r.Expire)
	}
}

func (c *checker) queueAndDNS() {
	if d := c.cfg.DNS; d.MinTTL.Duration > d.MaxTTL.Duration {
		c.fail("dns.min_ttl", "%s is more than max_ttl (%s)", d.MinTTL, d.MaxTTL)
	}
	for i, s := range c.cfg.DNS.Servers {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = strings.Trim(s, "[]"), "53"
		}
		_, badAddr := netip.ParseAddr(host)
		if n, err := strconv.ParseUint(port, 10, 16); badAddr != nil || err != nil || n == 0 {
			c.fail("dns.servers", "element %d: %q is not address or address:port", i+1, s)
		}
	}
	if l := c.cfg.Limits; l.MessageMemory < 4*l.MessageSize {
		// A buffer that grows is there twice, and one sender of large messages is not to use up all of it.
		c.fail("limits.message_memory", "%s is less than four times message_size (%s)", l.MessageMemory, l.MessageSize)
	}
	if e := c.cfg.Events; e.Detail && e.Format != "json" && c.pos.lines["events.detail"] > 0 {
		c.fail("events.detail", "only the json format can hold the steps of an attempt")
	}
}
