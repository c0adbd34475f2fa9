package pop3

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// The log tells of sessions that logged in. What strangers say, names and secrets, is not in it: people
// type one in the place of the other.
func TestLog(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	cfg := testConfig()
	cfg.Log = zap.New(core)
	b := newInbox("1\r\n", "2\r\n")
	input := "USER swordfish\r\nPASS swordfish\r\nAUTH PLAIN AHN3b3JkZmlzaABzd29yZGZpc2g=\r\nUSER broken\r\nPASS swordfish\r\n" +
		"USER ann\r\nPASS open sesame\r\nRETR 1\r\nDELE 2\r\nQUIT\r\n"
	runScript(cfg, b, []byte(input))
	var text strings.Builder
	for _, e := range logged.All() {
		text.WriteString(e.Message)
		for _, f := range e.Context {
			text.WriteString(" " + f.Key + "=" + f.String)
		}
		text.WriteByte('\n')
	}
	if got := text.String(); strings.Contains(got, "swordfish") || strings.Contains(got, "sesame") || strings.Contains(got, "broken") {
		t.Errorf("the log says too much:\n%s", got)
	}
	last := logged.All()[logged.Len()-1].ContextMap()
	if last["account"] != "ann@a.test" || last["ending"] != "quit" || last["sent"] != int64(1) || last["removed"] != int64(1) {
		t.Errorf("%v", last)
	}
}
