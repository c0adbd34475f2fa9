package auth

import (
	"errors"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

func TestSenders(t *testing.T) {
	const list = "news@example.com mail.example.org .example.net bücher.example \"odd name\"@example.com"
	s, err := parseSenders(strings.Split(strings.Replace(list, "odd name", "odd_name", 1), " "))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"news@example.com": true, "News@EXAMPLE.com": true, `"news"@example.com`: true, "odd_name@example.com": true,
		"news+tag@example.com": false, "news@sub.example.com": false, "newsx@example.com": false, `"new\s"@example.com`: false,
		"x@mail.example.org": true, "x@example.org": false, "x@a.mail.example.org": false, "x@xmail.example.org": false,
		"x@a.example.net": true, "x@a.b.example.net": true, "x@example.net": false, "x@xexample.net": false,
		"x@bücher.example": true, "x@xn--bcher-kva.example": true, "x@[192.0.2.1]": false,
		"": true, "no address": false, "news@example.com\r\nDATA": false,
	} {
		err := s.mayMail(addr)
		if (err == nil) != want {
			t.Errorf("%q: %v", addr, err)
		}
		var st message.Status
		if err != nil && (!errors.As(err, &st) || st.Code != 553 || st.Enhanced != message.EnhancedCode{5, 7, 1} || strings.ContainsAny(st.Text, "\r\n")) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestFrom(t *testing.T) {
	good, bad := message.Address{Local: "a", Domain: "example.com"}, message.Address{Local: "a", Domain: "example.org"}
	any, err1 := parseSenders([]string{"*"})
	one, err2 := parseSenders([]string{"example.com"})
	none, err3 := parseSenders(nil)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s    senders
		from []message.Address
		want bool
	}{
		{any, nil, true}, {any, []message.Address{bad}, true},
		{one, nil, false}, {one, []message.Address{good}, true}, {one, []message.Address{good, bad}, false},
		{none, []message.Address{good}, false},
	} {
		if err := c.s.mayFrom(c.from); (err == nil) != c.want {
			t.Errorf("%v: %v", c.from, err)
		}
	}
	if none.mayMail("a@example.com") == nil {
		t.Error("without senders, one is allowed")
	}
}
