package policy

import (
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

func TestRecipients(t *testing.T) {
	r, err := ParseRecipients(strings.NewReader("# who there is\nann@Example.com\n\n bob.lee@example.com # Bob\n@all.test\njörg@bücher.test\n"))
	if err != nil || r.Len() != 4 {
		t.Fatalf("%d, %v", r.Len(), err)
	}
	for address, want := range map[string]bool{
		"ann@example.com": true, "ANN@EXAMPLE.com": true, "ann+news@example.com": true, "bob.lee@example.com": true,
		"anyone@all.test": true, "Postmaster@example.com": true, "jörg@xn--bcher-kva.test": true,
		"bob@example.com": false, "ann@all.test.example.com": false, "+ann@example.com": false, "ann@sub.all.test": false,
		"annx@example.com": false, "ann-news@example.com": false,
	} {
		a, err := message.ParseAddress(address, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Has(a); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	var none *Recipients
	if !none.Has(message.Address{Local: "x", Domain: "y.test"}) {
		t.Error("without a list nobody is unknown")
	}
	for text, want := range map[string]string{
		"ann@a.test\nann\n":                   `line 2: "ann": bad address: no domain`,
		"@\n":                                 `line 1: "@": bad address`,
		"a b@c.test":                          `line 1: "a b@c.test": bad address`,
		"\n\n" + strings.Repeat("x", 100_000): "line 3: ",
	} {
		if _, err := ParseRecipients(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
