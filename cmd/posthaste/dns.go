package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/posthaste-mta/posthaste/message"
	"github.com/posthaste-mta/posthaste/policy/inbound"
	"github.com/posthaste-mta/posthaste/resolver"
)

// dnsCmd is `posthaste dns`.
type dnsCmd struct {
	Domain  string `arg:"" help:"The domain of the addresses."`
	Config  string `short:"c" placeholder:"FILE" help:"Configuration (default ${config})."`
	NoCheck bool   `name:"no-check" help:"Only print the records, without asking the DNS."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Help is the long help.
func (dnsCmd) Help() string {
	return `Prints the records that a domain is to publish for this server, in the form of a zone file, and
compares each with what the name servers say: ok, missing, different or unknown. The values follow from
the configuration and the keys of posthaste dkim. It fails with 1 when something is wrong, and with 75 when the
name servers do not answer; what is optional may be missing.

Examples:
  posthaste dns example.com
  posthaste dns --no-check example.com >> example.com.zone`
}

// Run prints and checks.
func (c *dnsCmd) Run(p process) error {
	domain, err := domainArg(c.Domain)
	if err != nil {
		return err
	}
	flags := dkimFlags{}
	flags.Config = c.Config
	store, err := flags.open()
	if err != nil {
		return err
	}
	keys, err := signingKeys(store.cfg, store.pos, domain)
	if err != nil {
		return err
	}
	records, err := c.records(newZone(store.cfg, keys, domain))
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(p.stdout, records)
	} else {
		printRecords(p.stdout, store.cfg, domain, records)
	}
	if code := codeOfRecords(records); err == nil && code != exitOK {
		return withCode(code, errors.New(""))
	}
	return err
}

// records are those of a zone, checked unless nobody wants it.
func (c *dnsCmd) records(z *zoneOf) ([]*zoneRecord, error) {
	if c.NoCheck {
		return z.records(nil), nil
	}
	dns, err := resolver.New(resolverConfig(z.cfg))
	if err != nil {
		return nil, withCode(exitUnavailable, err)
	}
	defer dns.Close()
	spf, err := inbound.New(inbound.Config{Resolver: dns, ID: z.hostname()})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
	defer cancel()
	records := z.records(hostAddrs(ctx, dns, z.hostname()))
	(&dnsChecker{dns: dns, spf: spf}).checkAll(context.Background(), records)
	return records, nil
}

// printRecords writes lines of a zone file with what is to be known of each in a comment.
func printRecords(w io.Writer, cfg *Config, domain string, records []*zoneRecord) {
	fmt.Fprintf(w, "; what %s is to publish for %s\n", domain, strings.ToLower(cfg.Hostname))
	for _, r := range records {
		fmt.Fprintln(w)
		verdict := string(r.Status)
		if r.Optional && r.Status != recordOK {
			verdict = strings.TrimSpace(verdict + " (optional)")
		}
		if verdict != "" {
			verdict = ": " + verdict
		}
		fmt.Fprintf(w, "; %s%s\n", r.For, verdict)
		for _, f := range r.Found {
			fmt.Fprintf(w, ";   there is %s\n", message.CleanLine(f, 400))
		}
		if r.Problem != "" {
			fmt.Fprintf(w, ";   %s\n", message.CleanLine(r.Problem, 400))
		}
		fmt.Fprintln(w, r.zoneLine())
	}
	for _, hint := range dnsHints(cfg, domain) {
		fmt.Fprintf(w, "\n; %s\n", hint)
	}
}

// zoneLine returns the record as an entry of a zone file; one whose value is not known is a comment.
func (r *zoneRecord) zoneLine() string {
	value := r.Value
	switch {
	case value == "":
		return fmt.Sprintf("; %s. IN %s ...", r.Name, r.Type)
	case r.Type == "TXT":
		value = quotedText(value)
	}
	return fmt.Sprintf("%s. IN %s %s", r.Name, r.Type, value)
}

// quotedText returns a text in the strings of at most 255 bytes that a TXT record is made of (RFC 1035 3.3).
func quotedText(s string) string {
	var parts []string
	for len(s) > 255 {
		parts, s = append(parts, `"`+s[:255]+`"`), s[255:]
	}
	return strings.Join(append(parts, `"`+s+`"`), " ") // nothing in our texts needs a backslash
}

// dnsHints tell of what the configuration does not ask for.
func dnsHints(cfg *Config, domain string) (hints []string) {
	s := autoconfigSettings(cfg)
	switch {
	case !cfg.Autoconfig.on() && len(servicesOf(cfg)) > 0:
		hints = append(hints, "[autoconfig] is off: mail programs that know no SRV records have to be set up by hand")
	case cfg.Autoconfig.on() && s.STS == nil:
		hints = append(hints, "autoconfig.mta_sts is none: an attacker on the way can keep senders from using TLS")
	}
	return hints
}
