package smtp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// lineEndForms are what some host or other has taken for the end of a line.
var lineEndForms = []string{"\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\r", "\n\n", "\r\r", "\x00\r\n", "\r\x00\n", "\r\n\x00", ""}

// TestServerSmuggling sends every mixture of line ends round a dot, with a second message behind
// it, as SMTP smuggling does (CVE-2023-51764, -51765, -51766). The second message must not be
// executed unless the first was ended by CR LF . CR LF beyond doubt, and no bare CR, bare LF or NUL
// may reach the Session.
func TestServerSmuggling(t *testing.T) {
	const evil = "MAIL FROM:<evil@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nevil\r\n.\r\n"
	for _, policy := range []BareNewlines{BareRefuse, BareNormalise} {
		for _, before := range lineEndForms {
			for _, after := range lineEndForms {
				for _, dots := range []string{".", "..", ".\x00"} {
					content := "Subject: x\r\n\r\nbody" + before + dots + after + evil
					ended := strings.HasSuffix(before, "\r\n") && dots == "." && strings.HasPrefix(after, "\r\n")
					// Here the first message has ended, and the rest is the client's own.
					twice := ended && before != "\r\r\n" && after == "\r\n"
					first, _, _ := dataReference([]byte(content))
					accepted := policy == BareNormalise || message.CheckLines(first, 0) == nil
					name := fmt.Sprintf("%d %q %q %q", policy, before, dots, after)
					checkSmuggling(t, name, policy, "DATA\r\n"+content, accepted, twice)
					// A chunk has a length, and no end to be forged.
					chunk := fmt.Sprintf("BDAT %d LAST\r\n%s", len(content), content)
					regular := message.CheckLines([]byte(content), 0) == nil
					checkSmuggling(t, name+" BDAT", policy, chunk, policy == BareNormalise || regular, false)
				}
			}
		}
	}
}

func checkSmuggling(t *testing.T, name string, policy BareNewlines, content string, accepted, twice bool) {
	t.Helper()
	record := &serverRecord{}
	record.body = assertRegular(t, name)
	s := &Server{Backend: record, Config: ServerConfig{BareNewlines: policy}}
	runScript(s, []byte("HELO c.test\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n"+content+"QUIT\r\n"))
	if evil := slices.Contains(record.lines(), "mail <evil@a.test>"); evil != twice {
		t.Errorf("%s: second message executed: %v\n%s", name, evil, record)
	}
	got := len(record.lines()) > 2 && strings.HasPrefix(record.lines()[2], "data ")
	if got != accepted {
		t.Errorf("%s: accepted: %v\n%s", name, got, record)
	}
}
