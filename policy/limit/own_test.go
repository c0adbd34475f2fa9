package limit

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func own(t *testing.T, rules ...Rule) *Own {
	t.Helper()
	o, err := NewOwn(rules)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A credential's own limits hold beside the rules and in place of those that count the same; when they change,
// what was used up stays used up.
func TestOwnLimitsOfACredential(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Rules: []Rule{
		rate(Credential, 1, time.Hour), rate(Credential, 5, time.Minute), rate(Tenant, 6, time.Hour)}})
	who := shop(client)
	who.Own = own(t, rate(Client, 3, time.Hour), Rule{Unit: Recipients, Kind: Quota, Amount: 2})
	for range 3 {
		wantText(t, l.Take(who, Messages, 1), "")
	}
	wantText(t, l.Take(who, Messages, 1), "450 4.7.1 limit of 3 messages an hour for credential shop reached; try again in 20 minutes")
	who.Own = own(t, rate(Client, 4, time.Hour))
	wantText(t, l.Take(who, Messages, 1), "450 4.7.1 limit of 4 messages an hour for credential shop reached; try again in 15 minutes")
	who.Own = own(t, rate(Client, 100, 24*time.Hour))
	wantText(t, l.Take(who, Messages, 1), "450 4.7.1 limit of 1 message an hour for credential shop reached; try again in 60 minutes")
	wantText(t, l.Take(Who{Own: who.Own}, Messages, 1), "") // nobody's
	if _, err := NewOwn([]Rule{{Amount: -1}}); err == nil {
		t.Error("an own limit that cannot be meant")
	}
}

// What came to nothing is given back to quotas and not to rates.
func TestGiveBack(t *testing.T) {
	c, s := newClock(), openStore(t, vfs.NewMem())
	quota := Rule{Subject: Credential, Unit: Recipients, Kind: Quota, Amount: 3}
	l := newLimiter(t, c, Options{Store: s, Rules: []Rule{quota, {Subject: Client, Unit: Recipients, Amount: 5, Period: time.Hour}}})
	who := shop(client)
	wantText(t, l.Take(who, Recipients, 3), "")
	wantText(t, l.Take(who, Recipients, 1), "452 4.3.1 limit of 3 recipients in one day for credential shop reached; try again in 21 hours")
	l.GiveBack(who, Recipients, 2)
	wantText(t, l.Take(who, Recipients, 2), "")
	l.GiveBack(who, Recipients, 2)
	wantText(t, l.Take(who, Recipients, 1), "450 4.7.1 limit of 5 recipients an hour for client 192.0.2.1 reached; try again in 12 minutes")
	l.Close()
	l = newLimiter(t, c, Options{Store: s, Rules: []Rule{quota}})
	wantText(t, l.Take(who, Recipients, 2), "")
	wantText(t, l.Take(who, Recipients, 1), "452 4.3.1 limit of 3 recipients in one day for credential shop reached; try again in 21 hours")
	c.pass(24 * time.Hour)
	l.GiveBack(who, Recipients, 3) // yesterday's
	wantText(t, l.Take(who, Recipients, 3), "")
	l.GiveBack(who, Recipients, 100)
	wantText(t, l.Take(who, Recipients, 3), "")
	wantText(t, l.Take(who, Recipients, 1), "452 4.3.1 limit of 3 recipients in one day for credential shop reached; try again in 21 hours")
}

// A listener has a count for all its clients.
func TestListener(t *testing.T) {
	l := newLimiter(t, newClock(), Options{Rules: []Rule{rate(Listener, 1, time.Second)}})
	who := Who{Client: client, Listener: "mx"}
	wantText(t, l.Take(who, Messages, 1), "")
	wantText(t, l.Take(Who{Listener: "submission"}, Messages, 1), "")
	wantText(t, l.Take(Who{Listener: "mx"}, Messages, 1), "450 4.7.1 limit of 1 message a second for listener mx reached; try again in 1 second")
}
