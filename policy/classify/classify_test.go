package classify

import (
	"os"
	"strings"
	"testing"

	"github.com/posthaste-mta/posthaste/message"
)

func builtinFiles(t testing.TB) []File {
	t.Helper()
	files, err := BuiltinFiles()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func builtin(t testing.TB) *Table {
	t.Helper()
	table, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Each pattern decides its own examples: no rule of any file before it takes them away.
func TestEachPattern(t *testing.T) {
	table, err := New(builtinFiles(t)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table.rules {
		for _, e := range r.examples {
			if by := table.Classify(e.status).Rule; by != r {
				t.Errorf("%s:%d: %s\n\tis decided by %s", r.File, e.line, e.status, by.Place())
			}
		}
	}
	t.Logf("%d rules, %d states of %d columns", len(table.rules), len(table.automaton.ends), table.automaton.columns)
}

// TestReplies reads testdata/replies.txt: a class, then replies of that class as they were
// on the wire, one a line.
func TestReplies(t *testing.T) {
	data, err := os.ReadFile("testdata/replies.txt")
	if err != nil {
		t.Fatal(err)
	}
	table, class := builtin(t), ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasSuffix(line, ":") && !strings.Contains(line, " "):
			class = strings.TrimSuffix(line, ":")
		default:
			s, err := ParseReply(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if got := table.Classify(s); got.Class.String() != class {
				t.Errorf("%s\n\tis %s by %v, want %s", line, got.Class, got.Rule, class)
			}
		}
	}
}

// Our own words hold names of hosts, and what is no refusal has no class.
func TestWhatIsNotLookedAt(t *testing.T) {
	table := builtin(t)
	for _, tc := range []struct {
		status message.Status
		want   Class
	}{
		{message.Status{Code: 421, Enhanced: message.EnhancedCode{4, 4, 1}, Text: "connection to blacklist.example refused"}, Network},
		{message.Status{Code: 250, Remote: true, Text: "user unknown"}, Unknown},
		{message.Status{}, Unknown},
		{message.Status{Code: 550, Remote: true, Text: strings.Repeat("x ", 4000) + "user unknown"}, Unknown},
		{message.Status{Code: 550, Remote: true, Text: "USER\r\n\t  UnKnown"}, BadMailbox},
	} {
		if got := table.Classify(tc.status); got.Class != tc.want {
			t.Errorf("%.60s is %s by %v, want %s", tc.status, got.Class, got.Rule, tc.want)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range NumClasses {
		var back Class
		if err := back.UnmarshalText([]byte(c.String())); err != nil || back != c || seen[c.String()] {
			t.Errorf("class %d is called %q: %v", c, c, err)
		}
		seen[c.String()] = true
		if c.Action().String() == "" || c.Action().Words() == "" {
			t.Errorf("%s has no action", c)
		}
	}
	if got := Class(200); got.String() != "unknown" || got.Action() != FollowCode || Action(200).String() != "follow-code" {
		t.Error(got, got.Action())
	}
}

// An operator changes what a class calls for, but what is not about the recipient never counts against one.
func TestActions(t *testing.T) {
	table, err := New(builtinFiles(t)...)
	if err != nil {
		t.Fatal(err)
	}
	own, err := table.With(map[Class]Action{FullMailbox: CountBounce, Unknown: SlowDown, Network: RetrySoon})
	if err != nil {
		t.Fatal(err)
	}
	full := message.Status{Code: 552, Enhanced: message.EnhancedCode{5, 2, 2}, Text: "mailbox full", Remote: true}
	if got, before := own.Classify(full), table.Classify(full); got.Action != CountBounce || before.Action != FollowCode {
		t.Errorf("a full mailbox: %s, %s before", got.Action, before.Action)
	}
	if got := own.Classify(message.Status{Code: 450, Text: "xyzzy", Remote: true}); got.Action != SlowDown || got.Rule != nil {
		t.Errorf("unknown words: %+v", got)
	}
	if own.Action(Network) != RetrySoon || own.Action(Greylisted) != RetrySoon || (*Table)(nil).Action(Network) != FollowCode {
		t.Error("actions")
	}
	for c := range NumClasses {
		if _, err := table.With(map[Class]Action{c: CountBounce}); (err == nil) != c.AboutRecipient() {
			t.Errorf("%s counts as a bounce: %v", c, err)
		}
		if c.Action() == CountBounce && !c.AboutRecipient() {
			t.Errorf("%s counts as a bounce by itself", c)
		}
	}
	for a := range numActions {
		var back Action
		if err := back.UnmarshalText([]byte(a.String())); err != nil || back != a {
			t.Errorf("action %s: %v", a, err)
		}
	}
	if Of("greylisted") != Greylisted || Of("what") != Unknown {
		t.Error("names")
	}
}

// An operator's file comes first; a mistake in it is told with its place.
func TestFiles(t *testing.T) {
	own := File{"own.txt", "greylisted 450 x.1.x \"user unknown\"\n  > 450 4.1.1 User unknown for now\n"}
	table, err := New(append([]File{own}, builtinFiles(t)...)...)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := ParseReply("450 4.1.1 user unknown")
	if got := table.Classify(s); got.Class != Greylisted || got.Rule.Place() != "own.txt:1" {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		"content 550 *\n":                                      "own.txt:1: the rule has no example; add one below it, as > 550 5.1.1 No such user",
		"nonsense 550 *\n > 550 x\n":                           `own.txt:1: there is no class "nonsense"`,
		"# x\n\ncontent 5 *\n > 550 x\n":                       `own.txt:3: code "5" is none of *, 4xx, 5xx or a number from 400 to 599`,
		"content 550 5.7.1\n > 550 x\n":                        `own.txt:1: enhanced code "5.7.1" is none of *, x.7.x or x.7.1`,
		"content 550 * spam\n > 550 x\n":                       "own.txt:1: want words in double quotes, not spam",
		"content 550 * \"Spam\"\n > 550 x\n":                   "own.txt:1: words \"Spam\" must be in lower case, with single spaces",
		"content 550 * \"a  b\"\n > 550 x\n":                   "own.txt:1: words \"a  b\" must be in lower case, with single spaces",
		"content * *\n > 550 x\n":                              "own.txt:1: the rule fits all replies",
		" > 550 x\n":                                           "own.txt:1: an example without a rule above it",
		"content 550 *\n > hello\n":                            "own.txt:2: a reply begins with a code from 400 to 599, such as \"550 5.1.1 No such user\"",
		"content 550 * \"spam\"\n > 550 ham\n":                 "own.txt:2: the rule does not fit its example",
		"content 550 *\n > 550 x\ncontent 5xx *\n > 550 x\n":   "own.txt:4: the example is decided by own.txt:1, not by the rule above it",
		"content 550 * \"" + strings.Repeat("x", 101) + "\"\n": "own.txt:1: words \"" + strings.Repeat("x", 39) + "... are longer than 100",
	} {
		if _, err := New(File{"own.txt", text}); err == nil || err.Error() != want {
			t.Errorf("%q\n\tgot  %v\n\twant %s", text, err, want)
		}
	}
}

func TestParseReply(t *testing.T) {
	for in, want := range map[string]string{
		"550 5.1.1 No such user":              "550 5.1.1 No such user",
		" 550-5.1.1 No such\r\n550 5.1.1 one": "550 5.1.1 No such\none",
		"550":                                 "550 ",
		"550 4.1.1 x":                         "550 4.1.1 x", // the classes differ: it is text
		"450 4.7.1234 x":                      "450 4.7.1234 x",
		"250 fine":                            "",
		"":                                    "",
		"5501 x":                              "",
		"no":                                  "",
	} {
		got, err := ParseReply(in)
		if err != nil && want == "" {
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
}

// The automaton finds what strings.Contains finds, whatever text and phrases.
func FuzzFind(f *testing.F) {
	f.Add("ab", "abc", "bc", "xabcabx")
	f.Add("a", "aa", "aaa", "AAAA")
	f.Add("he", "she", "hers", "ushers")
	f.Fuzz(func(t *testing.T, p, q, r, text string) {
		var phrases []string
		for _, w := range []string{p, q, r} {
			if w = squeeze(w); w != "" && len(w) <= maxPhrase {
				phrases = append(phrases, w)
			}
		}
		a, err := newAutomaton(phrases)
		if err != nil {
			t.Fatal(err)
		}
		var found phraseSet
		a.find(text, &found)
		for n, w := range phrases {
			same := found.has(uint16(n))
			for m := range phrases { // of equal phrases one is found
				same = same || phrases[m] == w && found.has(uint16(m))
			}
			if same != strings.Contains(squeeze(text), w) {
				t.Errorf("%q in %q: %v", w, text, same)
			}
		}
	})
}

// squeeze does to a text what the automaton does.
func squeeze(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '\t' || c == '\r' || c == '\n':
			c = ' '
		}
		if c != ' ' || len(b) == 0 || b[len(b)-1] != ' ' {
			b = append(b, c)
		}
	}
	return string(b)
}

func FuzzClassify(f *testing.F) {
	f.Add("550 5.1.1 user unknown")
	f.Add("421-4.7.0 try\n421 again")
	table := builtin(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseReply(text)
		if err != nil {
			return
		}
		if v := table.Classify(s); (v.Rule == nil) != (v.Class == Unknown) && v.Rule == nil {
			t.Errorf("%q: %+v", text, v)
		}
	})
}

func BenchmarkUnknown(b *testing.B) {
	s := message.Status{Code: 451, Enhanced: message.EnhancedCode{4, 3, 0}, Remote: true, Text: strings.Repeat("Something that No rule knows ", 10)}
	table := builtin(b)
	b.ReportAllocs()
	for b.Loop() {
		table.Classify(s)
	}
}

func BenchmarkGmail(b *testing.B) {
	s, err := ParseReply("550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the recipient's email address for typos or\n550 5.1.1 unnecessary spaces. For more information, go to\n550 5.1.1 https://support.google.com/mail/?p=NoSuchUser - gsmtp")
	if err != nil {
		b.Fatal(err)
	}
	table := builtin(b)
	b.ReportAllocs()
	for b.Loop() {
		table.Classify(s)
	}
}

func BenchmarkNew(b *testing.B) {
	files := builtinFiles(b)
	for b.Loop() {
		if _, err := New(files...); err != nil {
			b.Fatal(err)
		}
	}
}
