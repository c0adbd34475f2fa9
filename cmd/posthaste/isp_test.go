package main

import (
	"strings"
	"testing"
)

// The file of providers keeps its own rules.
func TestProviders(t *testing.T) {
	list, err := providers()
	if err != nil || len(list) < 40 {
		t.Fatalf("%d providers, %v", len(list), err)
	}
	names, domains := map[string]bool{}, map[string]string{}
	for _, p := range list {
		if p.Name == "" || names[p.Name] {
			t.Errorf("%q stands twice, or has no name", p.Name)
		}
		names[p.Name] = true
		if len(p.Domains) == 0 || len(p.IMAP)+len(p.POP) == 0 || len(p.SMTP) == 0 {
			t.Errorf("%s: no domain, or no servers", p.Name)
		}
		for _, d := range p.Domains {
			if domains[d] != "" || d != strings.ToLower(d) || checkDomain(d) != "" {
				t.Errorf("%s: domain %q: %s, also of %q", p.Name, d, checkDomain(d), domains[d])
			}
			domains[d] = p.Name
		}
		if passwordWords[p.Password] == "" || p.User == "" {
			t.Errorf("%s: password %q, user %q", p.Name, p.Password, p.User)
		}
		if p.Note != "" && !strings.HasSuffix(p.Note, ".") {
			t.Errorf("%s: the note is not a sentence", p.Name)
		}
		checkEndpoints(t, p.Name, p.POP, map[uint16]string{995: "tls", 110: "starttls"})
		checkEndpoints(t, p.Name, p.IMAP, map[uint16]string{993: "tls", 143: "starttls", 1143: "starttls"})
		checkEndpoints(t, p.Name, p.SMTP, map[uint16]string{465: "tls", 587: "starttls", 1025: "starttls"})
	}
	for _, d := range []string{"orange.fr", "wanadoo.fr", "free.fr", "sfr.fr", "laposte.net", "gmail.com", "gmx.net", "gmx.com", "gmx.fr",
		"outlook.com", "hotmail.com", "yahoo.com", "ovh.net", "icloud.com", "ionos.fr", "gandi.net", "fastmail.com", "web.de", "t-online.de"} {
		if domains[d] == "" {
			t.Errorf("nobody has %s", d)
		}
	}
}

// checkEndpoints holds servers against the ports that the registries give to each kind of TLS.
func checkEndpoints(t *testing.T, name string, list []Endpoint, ports map[uint16]string) {
	seen := map[string]bool{}
	for i, e := range list {
		if ports[e.Port] != e.TLS || seen[e.address()] {
			t.Errorf("%s: %s", name, e)
		}
		seen[e.address()] = true
		if i > 0 && e.TLS == "tls" && list[0].TLS != "tls" {
			t.Errorf("%s: %s is better than the one before it", name, e)
		}
	}
}

func TestFindProvider(t *testing.T) {
	for name, want := range map[string]string{
		"orange.fr": "Orange", "Wanadoo.FR.": "Orange", "ann@free.fr": "Free", "gmail": "Gmail", "la poste": "La Poste",
	} {
		if p, err := findProvider(name); err != nil || p.Name != want {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	for name, nearest := range map[string]string{
		"orenge.fr": "orange.fr", "gmial.com": "gmail.com", "hotmial.com": "hotmail.com", "ovh": "ovh.net", "laposte": "laposte.net", "": "",
	} {
		if _, err := findProvider(name); err == nil || !strings.HasSuffix(err.Error(), nearest) && nearest != "" {
			t.Errorf("%s: %v, want %s", name, err, nearest)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, bad := range []string{"", "smtp.example.com", "smtp.example.com:465", "smtp.example.com:0 tls", "smtp.example.com:70000 tls", "sm tp:465 tls", "-:465 tls", "a.example:465 ssl"} {
		var e Endpoint
		if err := e.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, e)
		}
	}
}
