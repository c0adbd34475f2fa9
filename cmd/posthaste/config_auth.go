package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/posthaste-mta/posthaste/policy"
	"github.com/posthaste-mta/posthaste/policy/auth"
)

// Credential is a name that may log in. `posthaste credential` has others, in the store.
type Credential struct {
	Name string `toml:"name"`
	// SecretFile holds the secret, or the lines that `posthaste credential hash` prints. A name without "/" is first
	// looked for in $CREDENTIALS_DIRECTORY, where systemd's LoadCredential puts it.
	SecretFile string `toml:"secret_file"`
	// SecretHash and SecretKeys are those lines here in place of SecretFile. Without the second SCRAM is not possible.
	SecretHash string `toml:"secret_hash"`
	SecretKeys string `toml:"secret_keys"`
	// Senders are what it may send as: an address, a domain, ".domain" for all below, "*" for any.
	Senders []string `toml:"senders"`
	// Tenant and Class replace the listener's when they are set.
	Tenant string `toml:"tenant"`
	Class  string `toml:"class" enum:"normal,transactional,bulk"`
	// Disabled is the kill switch: open sessions end too.
	Disabled bool `toml:"disabled"`
	// Capture accepts everything and lets nothing leave.
	Capture bool             `toml:"capture"`
	Limits  CredentialLimits `toml:"limits"`
}

// CredentialLimits bound what a credential may send; 0 is no limit.
type CredentialLimits struct {
	MessagesPerSecond   int  `toml:"messages_per_second" min:"0"`
	MessagesPerHour     int  `toml:"messages_per_hour" min:"0"`
	MessagesPerDay      int  `toml:"messages_per_day" min:"0"`
	RecipientsPerSecond int  `toml:"recipients_per_second" min:"0"`
	RecipientsPerHour   int  `toml:"recipients_per_hour" min:"0"`
	RecipientsPerDay    int  `toml:"recipients_per_day" min:"0"`
	Connections         int  `toml:"connections" min:"0"`
	MessageSize         Size `toml:"message_size" min:"0"`
}

// credentialsOf reads the secrets of all credentials.
func credentialsOf(cfg *Config) ([]auth.ReadOnly, error) {
	list := make([]auth.ReadOnly, len(cfg.Credentials))
	for i := range cfg.Credentials {
		key, err := cfg.Credentials[i].load(&list[i])
		if err != nil {
			return nil, fmt.Errorf("credential %s: %s: %w", printable(cfg.Credentials[i].Name), key, err)
		}
	}
	return list, nil
}

// load fills r. key is what an error is about.
func (c *Credential) load(r *auth.ReadOnly) (key string, err error) {
	l := &c.Limits
	r.Credential = auth.Credential{
		Name: c.Name, Tenant: c.Tenant, Class: classOf(c.Class), Disabled: c.Disabled, Capture: c.Capture,
		Limits: auth.Limits{
			Messages:    auth.Rates{PerSecond: l.MessagesPerSecond, PerHour: l.MessagesPerHour, PerDay: l.MessagesPerDay},
			Recipients:  auth.Rates{PerSecond: l.RecipientsPerSecond, PerHour: l.RecipientsPerHour, PerDay: l.RecipientsPerDay},
			Connections: l.Connections, MessageBytes: int64(l.MessageSize),
		},
	}
	switch {
	case c.SecretFile != "" && (c.SecretHash != "" || c.SecretKeys != ""):
		return "secret_file", errors.New("and secret_hash or secret_keys are both set: give one")
	case c.SecretFile != "":
		key = "secret_file"
		r.Secret, r.Argon2, r.SCRAMSHA256, err = readSecretFile(c.SecretFile)
	case c.SecretHash == "":
		return "secret_hash", errors.New("is missing, and there is no secret_file")
	default:
		key = "secret_hash"
		r.Argon2, r.SCRAMSHA256 = c.SecretHash, c.SecretKeys
	}
	if err != nil {
		return key, err
	}
	// What else is wrong is found first, so that the rest is the secret's.
	bare := auth.ReadOnly{Credential: r.Credential, Secret: "only to check the rest"}
	if err := bare.Check(); err != nil {
		return "name", err
	}
	bare.Senders = c.Senders
	if err := bare.Check(); err != nil {
		return "senders", err
	}
	r.Senders = c.Senders
	return key, r.Check()
}

// maxSecretFile is more than any secret and its hashes have.
const maxSecretFile = 4096

// readSecretFile returns the secret or the hashes in a file.
func readSecretFile(name string) (secret, argon2id, keys string, err error) {
	f, err := os.Open(credentialPath(name))
	if err != nil {
		return "", "", "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err == nil && len(text) > maxSecretFile {
		err = fmt.Errorf("longer than any secret (%d bytes)", maxSecretFile)
	}
	if err != nil {
		return "", "", "", err
	}
	lines := strings.FieldsFunc(string(bytes.TrimSpace(text)), func(r rune) bool { return r == '\n' || r == '\r' })
	switch {
	case len(lines) == 0:
		return "", "", "", errors.New("is empty")
	case !strings.HasPrefix(lines[0], "$argon2id$"):
		if len(lines) > 1 {
			return "", "", "", errors.New("has more than one line")
		}
		return lines[0], "", "", nil
	case len(lines) > 2:
		return "", "", "", errors.New("has more lines than a hash and the SCRAM keys")
	case len(lines) == 2:
		keys = lines[1]
	}
	return "", lines[0], keys, nil
}

// credentialPath finds a file that systemd may have loaded for us.
func credentialPath(name string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if path := filepath.Join(dir, name); dir != "" && !strings.Contains(name, "/") && exists(path) {
		return path
	}
	return name
}

// credentials checks the credentials as they will be used, with their secrets.
func (c *checker) credentials() {
	names := map[string]string{}
	for i := range c.cfg.Credentials {
		at := fmt.Sprintf("credential[%d]", i)
		var r auth.ReadOnly
		if key, err := c.cfg.Credentials[i].load(&r); err != nil {
			c.fail(at+"."+key, "%v", err)
			continue
		}
		c.unique(names, strings.ToLower(r.Name), at+".name")
	}
}

// maxRecipientsFile is some millions of addresses.
const maxRecipientsFile = 256 << 20

// readRecipients reads the file of relay.recipients; nil if there is none. Errors name the file and the line.
func readRecipients(path string) (*policy.Recipients, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxRecipientsFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxRecipientsFile)
	}
	list, err := policy.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}
