package bench

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLettersAreWholeOrNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 9000).Draw(t, "size")
		n := rapid.Uint64().Draw(t, "n")
		senders := rapid.IntRange(1, 256).Draw(t, "senders")
		letter := bytes.Clone(newLettersOf(size, senders).make(n))
		if !bytes.Contains(letter, []byte("\r\nFrom: load <load@"+senderDomain(n, senders)+">\r\n")) {
			t.Fatalf("not from %s:\n%s", senderDomain(n, senders), letter)
		}
		if size > 500 && len(letter) != size && len(letter) != size+1 {
			t.Fatalf("%d bytes instead of %d", len(letter), size)
		}
		if !bytes.HasSuffix(letter, []byte("\r\n")) || strings.Contains(strings.ReplaceAll(string(letter), "\r\n", ""), "\n") {
			t.Fatal("lines do not end in CRLF")
		}
		above := rapid.SampledFrom([]string{"", "Received: from a\r\n\tby b; date\r\n"}).Draw(t, "above")
		if got, whole := readLetter(append([]byte(above), letter...), castagnoli()); got != n || !whole {
			t.Fatalf("read %d, whole %v", got, whole)
		}
		i := rapid.IntRange(benchLine, len(letter)-1).Draw(t, "altered byte")
		letter[i] ^= 1
		if _, whole := readLetter(letter, castagnoli()); whole {
			t.Fatalf("byte %d was altered unnoticed", i)
		}
		letter[i] ^= 1
		if _, whole := readLetter(letter[:len(letter)-2], castagnoli()); whole {
			t.Fatal("cut unnoticed")
		}
	})
}

func TestRecipientsCarryTheNumber(t *testing.T) {
	addr := string(appendRecipient(nil, 1234567, 42, "d9.bench.test"))
	if addr != "r42.1234567@d9.bench.test" {
		t.Fatal(addr)
	}
	if n, k, ok := readRecipient(addr); n != 1234567 || k != 42 || !ok {
		t.Error(n, k, ok)
	}
	for _, stranger := range []string{"", "r", "r1@x", "r.1@x", "r1.x@x", "b1@x", "r-1.2@x", "r1.2"} {
		if _, _, ok := readRecipient(stranger); ok {
			t.Errorf("%q is taken for one of ours", stranger)
		}
	}
}

func TestStuffing(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		".a\r\n":         "..a\r\n",
		"a\r\n.\r\n..b":  "a\r\n..\r\n...b",
		"a.b\r\nc\n.d.e": "a.b\r\nc\n.d.e",
	} {
		if got := string(stuff(nil, []byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzReadLetter(f *testing.F) {
	f.Add([]byte(""))
	f.Add(newLetterMaker(300).make(7))
	f.Add([]byte("a\r\n" + benchField + "0123456789abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, whole := readLetter(b, castagnoli())
		if whole && !bytes.Contains(b, []byte(fmt.Sprintf("%s%016x", benchField, n))) {
			t.Errorf("%d is in no X-Bench field", n)
		}
	})
}

func FuzzReadRecipient(f *testing.F) {
	f.Add("r1.2@d0.bench.test")
	f.Fuzz(func(t *testing.T, s string) {
		if _, k, ok := readRecipient(s); ok && k < 0 {
			t.Error("a negative recipient")
		}
	})
}
