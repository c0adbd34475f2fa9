package resolver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestEvaluateSRV(t *testing.T) {
	q := question{"_imaps._tcp.example.net", dns.TypeSRV}
	m := &dns.Msg{MsgHdr: dns.MsgHdr{RecursionAvailable: true}}
	m.Answer = rr(t, "_imaps._tcp.example.net. 60 SRV 0 1 993 Mail.Example.NET.", "_imaps._tcp.example.net. 60 SRV 5 0 0 .",
		"_imaps._tcp.example.net. 60 SRV 5 0 993 a\\ b.example.")
	a, _, err := evaluate(q, m)
	if got, want := strings.Join(a.texts, ","), "0 1 993 mail.example.net.,5 0 0 ."; got != want || err != nil {
		t.Errorf("%q, want %q: %v", got, want, err)
	}
	m.Answer = nil
	for i := range 2 * maxNames {
		m.Answer = append(m.Answer, rr(t, fmt.Sprintf("_imaps._tcp.example.net. 60 SRV 0 1 %d a.example.", i))...)
	}
	if a, _, err = evaluate(q, m); len(a.texts) != maxNames || err != nil {
		t.Errorf("%d records are kept: %v", len(a.texts), err)
	}
}
