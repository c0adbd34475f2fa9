package policy

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

// TestClassifyReplies reads testdata/replies.txt: a class, then replies of that class as they were
// on the wire, one a line.
func TestClassifyReplies(t *testing.T) {
	data, err := os.ReadFile("testdata/replies.txt")
	if err != nil {
		t.Fatal(err)
	}
	class := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasSuffix(line, ":") && !strings.Contains(line, " "):
			class = strings.TrimSuffix(line, ":")
		default:
			if got := Classify(reply(t, line)).String(); got != class {
				t.Errorf("%s\n\tis %s, want %s", line, got, class)
			}
		}
	}
}

// reply reads "550 5.1.1 text", the enhanced code being optional.
func reply(t *testing.T, line string) message.Status {
	t.Helper()
	code, text, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	s := message.Status{Code: n, Text: text, Remote: true}
	word, rest, _ := strings.Cut(text, " ")
	if parts := strings.Split(word, "."); len(parts) == 3 {
		for i, p := range parts {
			if s.Enhanced[i], err = strconv.Atoi(p); err != nil {
				return message.Status{Code: n, Text: text, Remote: true}
			}
		}
		s.Text = rest
	}
	return s
}

func TestReplyClassNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range NumReplyClasses {
		if name := c.String(); name == "" || seen[name] {
			t.Errorf("class %d is called %q", c, name)
		} else {
			seen[name] = true
		}
	}
	if got := ReplyClass(200).String(); got != "unknown" {
		t.Errorf("class 200 is %s", got)
	}
}

// TestReplyRulesAreLowerCase: the text that they are compared with is.
func TestReplyRulesAreLowerCase(t *testing.T) {
	for _, r := range replyRules {
		for _, w := range r.words {
			if w != strings.ToLower(w) {
				t.Errorf("%q never matches", w)
			}
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	s := message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 3, 0}, Remote: true, Text: strings.Repeat("Something that No rule knows ", 10)}
	for b.Loop() {
		Classify(s)
	}
}
