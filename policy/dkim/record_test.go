package dkim

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestCheck: what may stand in the DNS beside a key.
func TestCheck(t *testing.T) {
	k := key(t, "example.com", "s", "two.pkcs8.pem")
	ed := key(t, "example.com", "s", "ed25519.pkcs8.pem")
	old := key(t, "example.com", "s", "rfc8463.rsa.pem")
	below := *k
	below.Identity = "@news.example.com"
	p := "p=" + k.Private.Public()
	bare := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&old.Private.rsa.PublicKey))
	for _, c := range []struct {
		key     *Key
		texts   []string
		err     error
		warning string
	}{
		{k, []string{k.Private.RecordText()}, nil, ""},
		{ed, []string{ed.Private.RecordText()}, nil, ""},
		{k, []string{p}, nil, ""}, // RSA is what is meant without k=
		{k, []string{" v=DKIM1 ; h=sha1:sha256; s = * ; t=s; n=note; x=unknown; " + p[:100] + " \t" + p[100:] + ";"}, nil, ""},
		{k, []string{"v=DKIM1; s=other:email; t=y:s; " + p}, nil, "t=y"},
		{old, []string{old.Private.RecordText()}, nil, "1024 bits"},
		{old, []string{"k=rsa; p=" + bare}, nil, "1024 bits"},
		{&below, []string{p}, nil, ""},
		{&below, []string{"t=s;" + p}, ErrRecord, ""},
		{k, nil, ErrNoRecord, ""},
		{k, []string{}, ErrNoRecord, ""},
		{k, []string{"SERVFAIL"}, ErrTemporary, ""},
		{k, []string{p, p}, ErrManyTXT, ""},
		{k, []string{"v=DKIM1; p="}, ErrRevoked, ""},
		{k, []string{ed.Private.RecordText()}, ErrMismatch, ""},
		{ed, []string{k.Private.RecordText()}, ErrMismatch, ""},
		{k, []string{old.Private.RecordText()}, ErrMismatch, ""},
		{ed, []string{"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}, ErrMismatch, ""},
		{ed, []string{"v=DKIM1; p=" + ed.Private.Public()}, ErrMismatch, ""},
		{k, []string{"h=sha1; " + p}, ErrRecord, ""},
		{k, []string{"s=tlsrpt; " + p}, ErrRecord, ""},
		{k, []string{"v=spf1 -all"}, ErrRecord, ""},
		{k, []string{p + "; v=DKIM1"}, ErrRecord, ""},
		{k, []string{"v=DKIM2; " + p}, ErrRecord, ""},
		{k, []string{"v=DKIM1"}, ErrRecord, ""},
		{k, []string{"p=#"}, ErrRecord, ""},
		{k, []string{p + ";" + p}, ErrRecord, ""},
		{k, []string{"hello"}, ErrRecord, ""},
		{k, []string{""}, ErrRecord, ""},
	} {
		r := records{}
		if c.texts != nil {
			r[c.key.String()] = c.texts
		}
		warnings, err := Check(context.Background(), r, c.key)
		if !errors.Is(err, c.err) || (c.warning == "") != (len(warnings) == 0) || !strings.Contains(strings.Join(warnings, "\n"), c.warning) {
			t.Errorf("%.60q: %v, %q; want %v, %q", c.texts, err, warnings, c.err, c.warning)
		}
	}
}

// TestZoneLine: a name server reads the record as it was meant.
func TestZoneLine(t *testing.T) {
	for _, file := range []string{"two.pkcs8.pem", "three.pkcs8.pem", "ed25519.pkcs8.pem"} {
		k := key(t, "example.com", "s1", file)
		line := k.ZoneLine(3600)
		for _, s := range regexp.MustCompile(`"[^"]*"`).FindAllString(line, -1) {
			if len(s)-2 > 255 {
				t.Errorf("a string of %d bytes", len(s)-2)
			}
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		txt := rr.(*dns.TXT)
		if got := strings.Join(txt.Txt, ""); got != k.Private.RecordText() || txt.Hdr.Name != "s1._domainkey.example.com." || txt.Hdr.Ttl != 3600 {
			t.Errorf("%s became %v", line, rr)
		}
		if _, err := checkText(k, strings.Join(txt.Txt, "")); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{"v=DKIM1; k=rsa; p=AAAA", "p=", "a=b;a=c", "= ; ;x", "h = sha256 : * ; p = A A\r\n == "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRecord(s)
		if err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("%q: %v", s, err)
		}
		if err == nil && !strings.Contains(s, "p") {
			t.Errorf("%q: %+v", s, r)
		}
	})
}
