package inbound

import "testing"

// The return path's domain has to take mail, and one that says that it takes none does not send any.
func TestSender(t *testing.T) {
	z := parseZone(t, `good.test MX 10 mx.good.test
plain.test A 192.0.2.5
null.test MX 0 .
text.test TXT "hello"
dead.test SERVFAIL`)
	c := newChecker(t, z, Config{})
	for _, want := range []struct {
		from   string
		value  Value
		action Action
		reply  string
	}{
		{"a@good.test", Pass, ActionNone, ""},
		{"a@plain.test", Pass, ActionNone, ""},
		{"a@null.test", Policy, ActionRefuse, "550 5.7.27 the sender's domain null.test takes no mail (null MX)"},
		{"a@text.test", Fail, ActionTag, ""},
		{"a@nowhere.test", Fail, ActionTag, ""},
		{"a@dead.test", TempError, ActionNone, ""},
		{"a@[192.0.2.1]", None, ActionNone, ""},
		{"", None, ActionNone, ""},
	} {
		s := c.Sender(t.Context(), want.from)
		d := c.DecideSender(s)
		reply := ""
		if d.Status.Code != 0 {
			reply = d.Status.String()
		}
		if s.Value != want.value || d.Action != want.action || reply != want.reply {
			t.Errorf("%s: %+v, %+v", want.from, s, d)
		}
	}
	strict := newChecker(t, z, Config{Actions: Actions{UnknownSender: ActionDefer}})
	if d := strict.DecideSender(strict.Sender(t.Context(), "a@nowhere.test")); d.Status.Code != 451 || d.Status.Enhanced[0] != 4 {
		t.Errorf("deferred: %+v", d)
	}
	res := c.Check(t.Context(), Session{Sender: &Sender{Value: Fail, Domain: "nowhere.test"}}, []byte(letter))
	if d := c.Decide(res); len(d.Tags) == 0 || d.Tags[0] != "sender=unknown" {
		t.Errorf("decided: %+v", d)
	}
}
