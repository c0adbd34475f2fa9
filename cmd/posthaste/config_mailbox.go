package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/address"
)

// Mailbox is the mail that stays here until its owner reads it, over IMAP or POP3. `posthaste user` has the owners.
type Mailbox struct {
	// Domains have their mailboxes here. Mail for them is taken from everyone, and never sent anywhere else.
	Domains []string `toml:"domains"`
	// Dir holds the mail. Default: mailbox in DataDir.
	Dir string `toml:"dir"`
	// Memory is what the store uses for its caches.
	Memory Size `toml:"memory" min:"8MiB"`
	// Quota is what a new user's mail may take; 0 is no limit.
	Quota Size `toml:"quota" min:"0"`
	// Tag separates a local part from what follows for its owner's own use: ann+shop@ goes to ann@. Empty: nothing does.
	Tag string `toml:"tag"`
}

// Alias sends the mail of a local address, or of all that are left over in a domain, to others.
type Alias struct {
	Address string   `toml:"address"`
	To      []string `toml:"to"`
}

func defaultMailbox() Mailbox {
	return Mailbox{Memory: 64 << 20, Quota: 1 << 30, Tag: "+"}
}

// complete fills what follows from other keys.
func (m *Mailbox) complete(dataDir string) {
	if m.Dir == "" {
		m.Dir = filepath.Join(dataDir, mailboxFolder)
	}
}

// addresses is what the configuration says of local addresses.
func (c *Config) addresses() address.Config {
	a := address.Config{Domains: c.Mailbox.Domains, Tag: c.Mailbox.Tag, Postmaster: c.Relay.Postmaster}
	for _, alias := range c.Aliases {
		a.Aliases = append(a.Aliases, address.Alias{Address: alias.Address, To: alias.To})
	}
	return a
}

// mailbox checks [mailbox], [[alias]] and the listeners that mail is read at.
func (c *checker) mailbox() {
	c.localDomains()
	c.aliases()
	for i, l := range c.cfg.Listeners {
		if l.readsMail() {
			c.mailListener(fmt.Sprintf("listener[%d]", i), &l)
		}
	}
}

func (c *checker) localDomains() {
	seen := map[string]bool{}
	for i, d := range c.cfg.Mailbox.Domains {
		name := strings.ToLower(d)
		switch problem := checkDomain(d); {
		case problem != "":
			c.fail("mailbox.domains", "element %d: %s", i+1, problem)
		case seen[name]:
			c.fail("mailbox.domains", "element %d: %q is there twice", i+1, d)
		case slices.ContainsFunc(c.cfg.Relay.Domains, func(other string) bool { return strings.EqualFold(other, d) }):
			c.fail("mailbox.domains", "element %d: %q is in relay.domains too: is its mail kept here, or passed on?", i+1, d)
		}
		seen[name] = true
		for route := range c.cfg.Routes {
			if strings.EqualFold(route, d) {
				c.fail("mailbox.domains", "element %d: %q has a route too: is its mail kept here, or passed on?", i+1, d)
			}
		}
	}
}

// aliases tells what is wrong with each alias: those that are right without it are looked at again.
func (c *checker) aliases() {
	a := c.cfg.addresses()
	a.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(d string) bool { return checkDomain(d) != "" })
	if _, err := address.New(address.Config{Tag: a.Tag}); err != nil {
		c.fail("mailbox.tag", "%s", plainly(err))
		a.Tag = ""
	}
	a.Postmaster = "" // names tells what is wrong with it
	index := make([]int, len(a.Aliases))
	for i := range index {
		index[i] = i
	}
	const told = 20
	for range told {
		_, err := address.New(a)
		var wrong *address.AliasError
		if !errors.As(err, &wrong) {
			return
		}
		key := fmt.Sprintf("alias[%d].address", index[wrong.Alias])
		if wrong.Target >= 0 || errors.Is(err, address.ErrEmpty) || errors.Is(err, address.ErrLoop) || errors.Is(err, address.ErrMany) {
			key = fmt.Sprintf("alias[%d].to", index[wrong.Alias])
		}
		problem := plainly(wrong.Err)
		if errors.Is(err, address.ErrForeign) {
			problem += " (mailbox.domains)"
		}
		c.fail(key, "%s", problem)
		a.Aliases = slices.Delete(a.Aliases, wrong.Alias, wrong.Alias+1)
		index = slices.Delete(index, wrong.Alias, wrong.Alias+1)
	}
}

// plainly is an error without the names of packages in it.
func plainly(err error) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), "address: "), "message: ", "")
}
