package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/posthaste-mta/posthaste/policy/auth"
)

// Prepare fills what policy keeps, before the relay starts.
func (p *Posthaste) Prepare(ctx context.Context, set Setting, l Load, bars newBar) error {
	dataDir := filepath.Join(set.Dir, "data")
	if set.Inlet.Mailboxes.Users > 0 {
		if err := set.Inlet.Mailboxes.fill(ctx, dataDir, l.Size, bars); err != nil {
			return err
		}
	}
	if set.Inlet.Stock == (Stock{}) {
		return nil
	}
	return fillStore(ctx, dataDir, set.Inlet.Stock, l, bars)
}

// listener is what a listener has beyond its address, and the tables that go with it.
func (in *Inlet) listener() (keys, tables string) {
	switch {
	case in.Strangers && in.Checks:
		return `kind = "mx"` + "\n" + strangersListener, strangersTables + checksTables
	case in.Strangers:
		return `kind = "mx"` + "\n" + strangersListener, strangersTables + noChecksTables
	case in.Submission && in.Checks:
		return `kind = "submission"` + "\n" + `auth = "required"` + "\n" + `auth_insecure = true`, limitTables
	case in.Submission:
		return `kind = "submission"` + "\n" + `auth = "off"`, ""
	}
	return `kind = "mx"`, ""
}

// The parts of a configuration. Limits are set, and asked each time, but wide enough.
const (
	strangersListener = `proxy_trusted = ["127.0.0.0/8"]`

	strangersTables = `
[relay]
networks = ["192.0.2.0/24"]
domains = [".bench.test"]
`
	noChecksTables = `
[inbound]
enabled = false

[tarpit]
refuse = 0
`
	checksTables = `
[inbound.actions]
no_reverse = "tag"

[[inbound.dnsbl]]
zone = "` + listZoneOne + `"
action = "refuse"

[[inbound.dnsbl]]
zone = "` + listZoneTwo + `"
codes = { "127.0.0.2" = "refuse", "127.0.0.10/31" = "tag" }

[greylist]
enabled = true
known_after = 0
spf_passes = false
` + limitTables
	limitTables = `
[[limit]]
each = "client"
messages = ["1000000/minute"]
recipients = ["1000000/minute"]
connections = ["1000000/minute", "1000 at once"]

[[limit]]
each = "client"
for = ["198.51.100.7", "203.0.113.7"]
messages = ["10/hour"]

[[limit]]
each = "sender"
messages = ["100000/hour", "1000000/day"]

[[limit]]
each = "domain"
recipients = ["1000000/minute"]

[[limit]]
each = "credential"
messages = ["1000000/minute", "10000000/day"]
`
)

// credentials are the tables of so many names. All have one secret, since making its hashes is meant to cost.
func credentials(n int) (string, error) {
	if n == 0 {
		return "", nil
	}
	hash, keys, err := auth.HashSecret(inletSecret)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\n[[credential]]\nname = %q\nsecret_hash = %q\nsecret_keys = %q\nsenders = [%q]\n", credentialName(i), hash, keys, SenderDomain)
	}
	return b.String(), nil
}
