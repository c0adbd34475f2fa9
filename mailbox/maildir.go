package mailbox

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Maildir has a file for each message; folders below the INBOX are ".Name.Below" beside it (Maildir++). Flags are letters at
// the end of the file's name, keywords small letters, which the file dovecot-keywords explains. S= is the size of the file, W=
// what it has with CRLF: if they are the same the file is the message as it is.

const (
	keywordsFile    = "dovecot-keywords"
	maildirKeywords = 26 // of a folder: a to z
	forwarded       = "$Forwarded"
)

// maildirLetters are in the order in which they must stand. P is forwarded, a keyword here.
var maildirLetters = [...]struct {
	letter byte
	flag   System
}{{'D', Draft}, {'F', Flagged}, {'P', 0}, {'R', Answered}, {'S', Seen}, {'T', Deleted}}

// WriteMaildir writes messages to a Maildir in dir, which is made if it is missing, and returns how many. A folder keeps up to 26
// keywords, and the messages of a folder their order. The time of receipt is the file's.
func WriteMaildir(dir string, items iter.Seq2[Item, error]) (n int, err error) {
	w := maildirWriter{dir: dir, folders: map[string]*maildirFolder{}}
	for item, err := range items {
		if err == nil {
			err = w.write(&item, n)
		}
		if err != nil {
			return n, fmt.Errorf("mailbox: writing a Maildir: %w", err)
		}
		n++
	}
	return n, nil
}

type maildirWriter struct {
	dir     string
	folders map[string]*maildirFolder
}

type maildirFolder struct {
	path     string
	keywords []string
}

// folder makes a folder when it is met first, with what it has already.
func (w *maildirWriter) folder(name string) (*maildirFolder, error) {
	if f := w.folders[name]; f != nil {
		return f, nil
	}
	f := &maildirFolder{path: filepath.Join(w.dir, maildirName(name))}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(f.path, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if f.path != filepath.Clean(w.dir) {
		if err := os.WriteFile(filepath.Join(f.path, "maildirfolder"), nil, 0o600); err != nil {
			return nil, err
		}
	}
	f.keywords = readKeywords(f.path)
	w.folders[name] = f
	return f, nil
}

func (w *maildirWriter) write(item *Item, n int) error {
	f, err := w.folder(canonical(item.Folder))
	if err != nil {
		return err
	}
	letters, err := f.letters(item.Flags)
	if err != nil {
		return err
	}
	content := item.Content
	if onlyCRLF(content) {
		content = toLF(content)
	}
	received := item.Received
	if received.IsZero() {
		received = time.Unix(0, 0)
	}
	name := fmt.Sprintf("%d.M%06dQ%09d.posthaste,S=%d,W=%d:2,%s",
		received.Unix(), received.Nanosecond()/1000, n, len(content), len(item.Content), letters)
	temporary := filepath.Join(f.path, "tmp", name)
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	if err := os.Chtimes(temporary, received, received); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(f.path, "cur", name))
}

// letters returns the flags as letters, and notes keywords that are new to the folder.
func (f *maildirFolder) letters(flags Flags) (string, error) {
	var b []byte
	for _, l := range maildirLetters {
		if flags.System&l.flag != 0 || l.flag == 0 && flags.Has(forwarded) {
			b = append(b, l.letter)
		}
	}
	known := len(f.keywords)
	var small []byte
	for _, k := range flags.Keywords {
		if strings.EqualFold(k, forwarded) {
			continue
		}
		at := slices.Index(f.keywords, k)
		if at < 0 && len(f.keywords) < maildirKeywords {
			at = len(f.keywords)
			f.keywords = append(f.keywords, k)
		}
		if at >= 0 {
			small = append(small, 'a'+byte(at))
		}
	}
	slices.Sort(small)
	if len(f.keywords) == known {
		return string(append(b, small...)), nil
	}
	var lines strings.Builder
	for i, k := range f.keywords {
		fmt.Fprintf(&lines, "%d %s\n", i, joinKeywords([]string{k}))
	}
	return string(append(b, small...)), os.WriteFile(filepath.Join(f.path, keywordsFile), []byte(lines.String()), 0o600)
}

// maildirName returns the folder's name as a file's; "" is the INBOX.
func maildirName(folder string) string {
	if folder == inbox {
		return ""
	}
	var b strings.Builder
	for level := range strings.SplitSeq(folder, separator) {
		b.WriteByte('.')
		b.WriteString(encodeUTF7(level))
	}
	return b.String()
}
