package dkim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// TestRFC8463 makes the two signatures of RFC 8463 A.3 again, bit by bit: both algorithms have but
// one signature for a message.
func TestRFC8463(t *testing.T) {
	raw, err := os.ReadFile("testdata/rfc8463.eml")
	if err != nil {
		t.Fatal(err)
	}
	mail := bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
	body := mail[message.HeaderEnd(mail)+2:]
	sum := bodyHash(body)
	order := []string{"from", "to", "subject", "date", "message-id"}
	files := []string{"rfc8463.ed25519.seed", "rfc8463.rsa.pem"}
	for f := range message.Fields(mail) {
		if !f.Is(mail, "DKIM-Signature") {
			continue
		}
		key := readKey(t, files[0])
		files = files[1:]
		text, want, _ := strings.Cut(string(mail[f.NameEnd:f.End]), " b=")
		if !strings.Contains(text, " bh="+base64.StdEncoding.EncodeToString(sum[:])+";") {
			t.Errorf("%v: body hash %x is another", key.Algorithm(), sum)
		}
		var signed []byte
		for _, name := range order {
			for g := range message.Fields(mail) {
				if g.Is(mail, name) {
					signed = appendRelaxedField(signed, name, mail[g.NameEnd:g.End])
				}
			}
		}
		signed = appendRelaxedField(signed, "dkim-signature", []byte(text+" b="))
		digest := sha256.Sum256(signed[:len(signed)-2])
		signature, err := key.sign(&digest)
		if err != nil {
			t.Fatal(err)
		}
		if got := base64.StdEncoding.EncodeToString(signature); got != strings.Join(strings.Fields(want), "") {
			t.Errorf("%v: signature %s is another", key.Algorithm(), got)
		}
	}
}

// TestRFC6376Canonicalization is the example of RFC 6376 3.4.5.
func TestRFC6376Canonicalization(t *testing.T) {
	got := appendRelaxedField(nil, "a", []byte(": X\r\n"))
	got = appendRelaxedField(got, "b", []byte(" : Y\t\r\n\tZ  \r\n"))
	if want := "a:X\r\nb:Y Z\r\n"; string(got) != want {
		t.Errorf("header %q, want %q", got, want)
	}
	if got, want := bodyHash([]byte(" C \r\nD \t E\r\n\r\n\r\n")), sha256.Sum256([]byte(" C\r\nD E\r\n")); got != want {
		t.Error("the body's hash is another")
	}
}

func readKey(t testing.TB, file string) *PrivateKey {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivateKey(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return key
}
