package inbound

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

const rfcZone = `
brisbane._domainkey.example.com TXT "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
brisbane._domainkey.football.example.com TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
test._domainkey.football.example.com TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
`

func readMail(t testing.TB, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

// The examples of RFC 6376 A.2 and RFC 8463 A.3.
func TestExamplesOfTheRFCs(t *testing.T) {
	c := newChecker(t, parseZone(t, rfcZone), Config{})
	for file, want := range map[string]string{
		"testdata/rfc6376.eml": "pass example.com brisbane rsa-sha256\n",
		"testdata/rfc8463.eml": "pass football.example.com brisbane ed25519-sha256\npass football.example.com test rsa-sha256\n",
	} {
		mail := readMail(t, file)
		if got := c.DKIM(t.Context(), mail).story(); got != want {
			t.Errorf("%s: got\n%s", file, got)
		}
		changed := bytes.Replace(mail, []byte("hungry"), []byte("angry"), 1)
		if got := c.DKIM(t.Context(), changed).story(); !strings.HasPrefix(got, "fail") || strings.Contains(got, "pass") {
			t.Errorf("%s, changed: got\n%s", file, got)
		}
	}
}

func (d DKIM) story() string {
	var b strings.Builder
	for _, s := range d.Signatures {
		fmt.Fprintf(&b, "%s %s %s %s", s.Value, s.Domain, s.Selector, s.Algorithm)
		if s.Reason != "" {
			fmt.Fprintf(&b, ": %s", s.Reason)
		}
		b.WriteString("\n")
	}
	if d.Ignored > 0 {
		fmt.Fprintf(&b, "%d more\n", d.Ignored)
	}
	return b.String()
}

const letter = "From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nHello Bob,\r\nhow are you?\r\n"

const edTags = "a=ed25519-sha256; d=example.com; s=ed; h=from:to:subject"

// Messages made to keep us busy. Each of them ends the test binary by its timeout if it is not cut short.
func TestHostileMessagesCostLittle(t *testing.T) {
	c := newChecker(t, parseZone(t, keysZone(t)), Config{})
	signed := sign(t, letter, edTags)
	one := signed[:strings.Index(signed, "From:")]
	header, body, _ := strings.Cut(letter, "\r\n\r\n")
	blank := strings.Repeat("\r\n", 10<<20)
	for _, m := range []struct{ name, mail, want string }{
		{"10,000 signatures", strings.Repeat(one, 10_000) + letter, strings.Repeat("pass", 8)},
		{"10,000 signed names, 10,000 fields",
			"DKIM-Signature: v=1; a=ed25519-sha256; d=example.com; s=ed; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; h=from" + strings.Repeat(":x", 10_000) + "\r\n" +
				strings.Repeat("A: b\r\n", 10_000) + letter, "permerror: too many header fields are signed"},
		{"one field of a million lines", one + "A: b\r\n" + strings.Repeat(" c\r\n", 1_000_000) + letter, "pass"},
		{"10,000 fields of a thousand lines", one + strings.Repeat("A: b\r\n"+strings.Repeat(" c\r\n", 1000), 1000) + letter, "pass"},
		{"20 MiB of empty lines", one + one + header + "\r\n\r\n" + blank + body, "failfail"},
		{"20 MiB of empty lines at the end", signed + blank, "pass"},
		{"empty lines in runs", one + one + header + "\r\n\r\n" + strings.Repeat(blank[:64<<10]+"x", 100), "failfail"},
		{"a body of lone CRs", one + one + header + "\r\n\r\n" + strings.Repeat("\r", 10<<20), "failfail"},
		{"a body without line ends", one + one + header + "\r\n\r\n" + strings.Repeat("x ", 5<<20), "failfail"},
		{"no body", one + header, "fail"},
		{"nothing but a signature", one, "fail"},
	} {
		t.Run(m.name, func(t *testing.T) {
			res := c.Check(t.Context(), Session{}, []byte(m.mail)).DKIM
			got := ""
			for _, s := range res.Signatures {
				got += string(s.Value)
				if s.Value == PermError {
					got = string(s.Value) + ": " + s.Reason
				}
			}
			if got != m.want {
				t.Errorf("got %s", res.story())
			}
		})
	}
}

// A line that is no field ends the header for the verifier as for everybody else here.
func TestVerifierSeesTheSameHeader(t *testing.T) {
	c := newChecker(t, parseZone(t, keysZone(t)), Config{})
	mail := "DKIM-Signature: v=1; a=x; b=1\r\nFrom: a@b.test\r\nno field\r\n" + sign(t, letter, edTags)
	if got := c.DKIM(t.Context(), []byte(mail)); len(got.Signatures) != 1 || got.Signatures[0].Value != PermError {
		t.Errorf("got %s", got.story())
	}
}
