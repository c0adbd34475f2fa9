package inbound

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is a DNS made of lines: "NAME TYPE data", "NAME SERVFAIL", "NAME HANGS".
type zone struct {
	mu      sync.Mutex
	records map[string][]dns.RR
	broken  map[string]string
	asked   map[string]int
}

func parseZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{records: make(map[string][]dns.RR), broken: make(map[string]string), asked: make(map[string]int)}
	for _, line := range strings.Split(text, "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if rest = strings.TrimSpace(rest); !ok || name == "#" {
			continue
		}
		if rest == "SERVFAIL" || rest == "HANGS" {
			z.broken[name] = rest
			continue
		}
		rr, err := dns.NewRR(name + ". 300 IN " + rest)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		z.records[name] = append(z.records[name], rr)
	}
	return z
}

// lookup returns the records of one type.
func (z *zone) lookup(ctx context.Context, name string, qtype uint16) ([]dns.RR, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	z.mu.Lock()
	z.asked[name]++
	broken, all := z.broken[name], z.records[name]
	z.mu.Unlock()
	if broken == "HANGS" {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return nil, &net.DNSError{UnwrapErr: ctx.Err(), Err: ctx.Err().Error(), Name: name, IsTimeout: true, IsTemporary: true}
	}
	if broken != "" {
		return nil, &net.DNSError{Err: "SERVFAIL", Name: name, IsTemporary: true}
	}
	if all == nil {
		for other := range z.records {
			if strings.HasSuffix(other, "."+name) {
				return nil, nil
			}
		}
		return nil, &net.DNSError{Err: "no such name", Name: name, IsNotFound: true}
	}
	var out []dns.RR
	for _, rr := range all {
		if c, ok := rr.(*dns.CNAME); ok {
			return z.lookup(ctx, c.Target, qtype)
		}
		if rr.Header().Rrtype == qtype {
			out = append(out, rr)
		}
	}
	return out, nil
}

func (z *zone) LookupTXT(ctx context.Context, name string) (out []string, err error) {
	rrs, err := z.lookup(ctx, name, dns.TypeTXT)
	for _, rr := range rrs {
		out = append(out, strings.Join(rr.(*dns.TXT).Txt, ""))
	}
	return out, err
}

func (z *zone) LookupMX(ctx context.Context, name string) (out []*net.MX, err error) {
	rrs, err := z.lookup(ctx, name, dns.TypeMX)
	for _, rr := range rrs {
		out = append(out, &net.MX{Host: rr.(*dns.MX).Mx, Pref: rr.(*dns.MX).Preference})
	}
	return out, err
}

func (z *zone) LookupIP(ctx context.Context, network, host string) (out []netip.Addr, err error) {
	types := map[string][]uint16{"ip4": {dns.TypeA}, "ip6": {dns.TypeAAAA}, "ip": {dns.TypeA, dns.TypeAAAA}}[network]
	for _, t := range types {
		var rrs []dns.RR
		if rrs, err = z.lookup(ctx, host, t); err != nil {
			return nil, err
		}
		for _, rr := range rrs {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			addr, _ := netip.AddrFromSlice(ip)
			out = append(out, addr.Unmap())
		}
	}
	return out, nil
}

func (z *zone) LookupListed(ctx context.Context, name string) ([]netip.Addr, error) {
	return z.LookupIP(ctx, "ip4", name)
}

func (z *zone) LookupAddr(ctx context.Context, addr netip.Addr) (out []string, err error) {
	name, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return nil, err
	}
	rrs, err := z.lookup(ctx, name, dns.TypePTR)
	for _, rr := range rrs {
		out = append(out, strings.TrimSuffix(rr.(*dns.PTR).Ptr, "."))
	}
	return out, err
}

// keysZone has the keys of RFC 8463 A.2, which everybody knows.
func keysZone(t testing.TB) string {
	t.Helper()
	rsaKey, edKey := signingKeys(t)
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("rsa._domainkey.example.com TXT \"v=DKIM1; k=rsa; p=%s\"\n"+
		"ed._domainkey.example.com TXT \"v=DKIM1; k=ed25519; p=%s\"\n",
		base64.StdEncoding.EncodeToString(der), base64.StdEncoding.EncodeToString(edKey.Public().(ed25519.PublicKey)))
}

func signingKeys(t testing.TB) (*rsa.PrivateKey, ed25519.PrivateKey) {
	t.Helper()
	raw, err := os.ReadFile("testdata/rfc8463.rsa.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	if err != nil {
		t.Fatal(err)
	}
	return key, ed25519.NewKeyFromSeed(seed)
}

var space = regexp.MustCompile(`[ \t\r\n]+`)

// relaxed returns a field as RFC 6376 3.4.2 wants it.
func relaxed(field string) string {
	name, value, _ := strings.Cut(field, ":")
	return strings.ToLower(strings.TrimSpace(name)) + ":" + strings.TrimSpace(space.ReplaceAllString(value, " ")) + "\r\n"
}

// sign puts a relaxed/simple signature on top of mail, made with a few lines of our own so that signer and
// verifier are not the same code. tags are as they stand in the field, without v, c, bh and b.
func sign(t testing.TB, mail, tags string) string {
	t.Helper()
	header, body, _ := strings.Cut(mail, "\r\n\r\n")
	sum := sha256.Sum256([]byte(strings.TrimRight(body, "\r\n") + "\r\n"))
	value := " v=1; c=relaxed/simple; " + tags + "; bh=" + base64.StdEncoding.EncodeToString(sum[:]) + "; b="
	fields := regexp.MustCompile(`\r\n([^ \t])`).Split("\r\n"+header, -1)
	starts := regexp.MustCompile(`\r\n([^ \t])`).FindAllStringSubmatch("\r\n"+header, -1)
	used := make(map[int]bool)
	var signed strings.Builder
	for _, name := range strings.Split(tag(tags, "h"), ":") {
		for i := len(starts); i > 0; i-- {
			field := starts[i-1][1] + fields[i]
			if got, _, _ := strings.Cut(field, ":"); !used[i] && strings.EqualFold(got, name) {
				used[i] = true
				signed.WriteString(relaxed(field))
				break
			}
		}
	}
	signed.WriteString(strings.TrimSuffix(relaxed("DKIM-Signature:"+value), "\r\n"))
	digest := sha256.Sum256([]byte(signed.String()))
	rsaKey, edKey := signingKeys(t)
	signature := ed25519.Sign(edKey, digest[:])
	if strings.HasPrefix(tag(tags, "a"), "rsa") {
		var err error
		if signature, err = rsa.SignPKCS1v15(nil, rsaKey, crypto.SHA256, digest[:]); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("DKIM-Signature:%s%s\r\n%s", value, base64.StdEncoding.EncodeToString(signature), mail)
}

func tag(tags, name string) string {
	for _, part := range strings.Split(tags, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(part), "="); k == name {
			return v
		}
	}
	return ""
}

func newChecker(t testing.TB, z Resolver, cfg Config) *Checker {
	t.Helper()
	cfg.Resolver, cfg.ID = z, "mx.example.net"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
