package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-mta/posthaste/policy/nexthop"
)

// loginConfig has a file with a password in place of PASSWORD.
func loginConfig(t *testing.T, text string) (*Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	write(t, file, []byte("open sesame\n"))
	cfg, _, err := ParseConfig("posthaste.toml", []byte(strings.ReplaceAll("hostname = \"mx.example.net\"\n"+text, "PASSWORD", file)))
	return cfg, err
}

func TestLogins(t *testing.T) {
	const ann = "\n[[login]]\nuser = \"ann\"\npassword_file = \"PASSWORD\"\n"
	for _, c := range []struct {
		what, text, smartHost string
		want                  nexthop.Logins
	}{
		{"a provider", `smart_host = "isp:wanadoo.fr"` + ann, "[smtp.orange.fr]:465",
			nexthop.Logins{"smtp.orange.fr:465": {User: "ann", Password: "open sesame", ImplicitTLS: true}}},
		{"a provider with STARTTLS", `smart_host = "isp:icloud.com"` + ann, "[smtp.mail.me.com]:587",
			nexthop.Logins{"smtp.mail.me.com:587": {User: "ann", Password: "open sesame"}}},
		{"one that is not in the list", `smart_host = "smtp.provider.example:465"` + ann, "[smtp.provider.example]:465",
			nexthop.Logins{"smtp.provider.example:465": {User: "ann", Password: "open sesame", ImplicitTLS: true}}},
		{"without a port", `smart_host = "smtp.provider.example"` + ann, "[smtp.provider.example]:465",
			nexthop.Logins{"smtp.provider.example:465": {User: "ann", Password: "open sesame", ImplicitTLS: true}}},
		{"without a port by STARTTLS", `smart_host = "smtp.provider.example"` + ann + `tls = "starttls"`, "[smtp.provider.example]:587",
			nexthop.Logins{"smtp.provider.example:587": {User: "ann", Password: "open sesame"}}},
		{"an address", `smart_host = "[192.0.2.1]:25"` + ann + "insecure = true", "[192.0.2.1]:25",
			nexthop.Logins{"[192.0.2.1]:25": {User: "ann", Password: "open sesame", Insecure: true}}},
		{"a long address", `smart_host = "[2001:db8::1]:465"` + "\n[[login]]\ntls = \"implicit\"", "[2001:db8::1]:465",
			nexthop.Logins{nexthop.Key("[ipv6:2001:db8::1]", 465): {ImplicitTLS: true}}},
		{"none", `smart_host = "mail.example"`, "mail.example", nil},
	} {
		cfg, err := loginConfig(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		got, _, err := cfg.logins()
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.what, err, diff)
		}
		if _, smart := cfg.routing(); smart != c.smartHost {
			t.Errorf("%s: smart host %s, want %s", c.what, smart, c.smartHost)
		}
		if _, err := relayPolicy(cfg); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestRouteWithLogin(t *testing.T) {
	cfg, err := loginConfig(t, `
smart_host = "mail.example"
[routes]
"a.example" = "isp:free.fr"
"b.example" = "smtp.b.example:587"
"c.example" = "mx.c.example"
[[login]]
at = "isp:free.fr"
user = "ann"
password_file = "PASSWORD"
[[login]]
at = "smtp.b.example:587"
user = "bob"
password_file = "PASSWORD"`)
	if err != nil {
		t.Fatal(err)
	}
	routes, smart := cfg.routing()
	want := map[string]string{"a.example": "[smtp.free.fr]:465", "b.example": "[smtp.b.example]:587", "c.example": "mx.c.example"}
	if diff := cmp.Diff(want, routes); diff != "" || smart != "mail.example" {
		t.Errorf("%s %s", smart, diff)
	}
}

func TestWrongLogins(t *testing.T) {
	for text, want := range map[string]string{
		`smart_host = "isp:orenge.fr"`:                                                            "posthaste.toml:2: smart_host: there is no provider orenge.fr in the list; the nearest is orange.fr",
		`smart_host = "isp:orange.fr"`:                                                            "posthaste.toml:2: smart_host: isp:orange.fr wants a [[login]] with user and password_file",
		`smart_host = "isp:outlook.com"`:                                                          "OAuth 2.0",
		"[routes]\n\"a.example\" = \"isp:free.fr\"":                                               "posthaste.toml:3: routes.\"a.example\": isp:free.fr wants a [[login]]",
		"[[login]]\nuser = \"ann\"":                                                               "posthaste.toml:2: login[0].at: is missing, and there is no smart_host",
		"smart_host = \"a.example\"\n[[login]]\nat = \"b.example\"":                               "posthaste.toml:4: login[0].at: \"b.example\" is neither smart_host nor the target of a route",
		"smart_host = \"a.example\"\n[[login]]\nuser = \"ann\"":                                   "posthaste.toml:3: login[0]: has a user without a password",
		"smart_host = \"a.example\"\n[[login]]\nuser = \"ann\"\npassword_file = \"/nowhere/x\"":   "posthaste.toml:5: login[0].password_file: open /nowhere/x",
		"smart_host = \"a.example\"\n[[login]]\ntls = \"ssl\"":                                    "posthaste.toml:4: login[0].tls: \"ssl\" is not one of implicit, starttls",
		"smart_host = \"a.example\"\n[[login]]\n[[login]]\n":                                      "login[1].at: \"[a.example]:465\" is taken by login[0].at already",
		"smart_host = \"lmtp://a.example:24\"\n[[login]]\nuser=\"a\"\npassword_file=\"PASSWORD\"": "login[0].at: LMTP knows no login",
	} {
		if _, err := loginConfig(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %s", text, err, want)
		}
	}
}
