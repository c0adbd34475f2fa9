package mailbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ReadMaildir reads the Maildir in dir with its folders (Maildir++), each in the order of arrival. What WriteMaildir has written
// comes back as it was; of others, lines are ended with CRLF. Only plain files are read, no links: they may not be
// the owner's. A file of more than limit bytes (0: what a store takes at most) ends it with ErrLimit. The last pair
// has the error, if there is one.
func ReadMaildir(dir string, limit int64) iter.Seq2[Item, error] {
	if limit <= 0 || limit > maxContent {
		limit = maxContent
	}
	return func(yield func(Item, error) bool) {
		folders, err := maildirFolders(dir)
		if err != nil {
			yield(Item{}, fmt.Errorf("mailbox: reading a Maildir: %w", err))
			return
		}
		for _, f := range folders {
			for item, err := range f.items(limit) {
				if err != nil {
					err = fmt.Errorf("mailbox: reading a Maildir: %w", err)
				}
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

// maildirSource is a folder of a Maildir.
type maildirSource struct {
	path, name string
}

// maildirFolders finds the folders, INBOX first.
func maildirFolders(dir string) ([]maildirSource, error) {
	if _, err := os.Stat(filepath.Join(dir, "cur")); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	folders := []maildirSource{{dir, inbox}}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if _, err := os.Stat(filepath.Join(path, "cur")); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		name, err := folderOfMaildir(e.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		folders = append(folders, maildirSource{path, name})
	}
	return folders, nil
}

// folderOfMaildir undoes maildirName. Others write UTF-8.
func folderOfMaildir(file string) (string, error) {
	var levels []string
	for level := range strings.SplitSeq(file[1:], ".") {
		name, err := decodeUTF7(level)
		if err != nil {
			return "", err
		}
		levels = append(levels, name)
	}
	return checkFolderName(strings.Join(levels, separator))
}

// maildirFile is a message.
type maildirFile struct {
	path  string
	order [3]int64 // seconds, microseconds, number
}

func (f maildirSource) items(limit int64) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		files, err := f.files()
		if err != nil {
			yield(Item{}, err)
			return
		}
		keywords := readKeywords(f.path)
		for _, file := range files {
			item, err := file.read(limit)
			if errors.Is(err, fs.ErrNotExist) {
				continue // another program has moved it
			}
			item.Folder = f.name
			item.Flags = maildirFlags(file.path, keywords)
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (f maildirSource) files() ([]maildirFile, error) {
	var files []maildirFile
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(f.path, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
				files = append(files, maildirFile{filepath.Join(f.path, sub, e.Name()), maildirOrder(e.Name())})
			}
		}
	}
	slices.SortFunc(files, func(a, b maildirFile) int {
		return cmp.Or(slices.Compare(a.order[:], b.order[:]), strings.Compare(filepath.Base(a.path), filepath.Base(b.path)))
	})
	return files, nil
}

// maildirOrder reads what a name tells of the order: its seconds, M and Q.
func maildirOrder(name string) (order [3]int64) {
	seconds, rest, _ := strings.Cut(name, ".")
	order[0], _ = strconv.ParseInt(seconds, 10, 64)
	middle, _, _ := strings.Cut(rest, ".")
	for i, letter := range []string{"M", "Q"} {
		if _, after, ok := strings.Cut(middle, letter); ok {
			end := 0
			for end < len(after) && after[end] >= '0' && after[end] <= '9' {
				end++
			}
			order[i+1], _ = strconv.ParseInt(after[:end], 10, 64)
		}
	}
	return order
}

func (m maildirFile) read(limit int64) (Item, error) {
	info, err := os.Lstat(m.path)
	if err != nil {
		return Item{}, err
	}
	if info.Size() > limit {
		return Item{}, fmt.Errorf("%w: %s has %d bytes", ErrLimit, m.path, info.Size())
	}
	content, err := os.ReadFile(m.path)
	if err != nil {
		return Item{}, err
	}
	size, ok1 := maildirField(m.path, ",S=")
	wide, ok2 := maildirField(m.path, ",W=")
	if !ok1 || !ok2 || size != wide || size != int64(len(content)) {
		content = toCRLF(content)
	}
	return Item{Content: content, Received: info.ModTime().UTC()}, nil
}

func maildirField(path, field string) (int64, bool) {
	_, after, ok := strings.Cut(filepath.Base(path), field)
	if !ok {
		return 0, false
	}
	text, _, _ := strings.Cut(after, ":")
	text, _, _ = strings.Cut(text, ",")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// maildirFlags reads the letters at the end of a name.
func maildirFlags(path string, keywords []string) (f Flags) {
	_, letters, _ := strings.Cut(filepath.Base(path), ":2,")
	for _, c := range []byte(letters) {
		if c >= 'a' && int(c-'a') < len(keywords) && keywords[c-'a'] != "" {
			f.Keywords = append(f.Keywords, keywords[c-'a'])
			continue
		}
		for _, l := range maildirLetters {
			switch {
			case l.letter != c:
			case l.flag == 0:
				f.Keywords = append(f.Keywords, forwarded)
			default:
				f.System |= l.flag
			}
		}
	}
	f.Keywords = sortKeywords(f.Keywords)
	if len(f.Keywords) == 0 {
		f.Keywords = nil
	}
	return f
}

// readKeywords reads what the small letters mean, by their number: lines of a number and a word. Without the file
// they mean nothing.
func readKeywords(path string) []string {
	b, err := os.ReadFile(filepath.Join(path, keywordsFile))
	if err != nil {
		return nil
	}
	var keywords []string
	for line := range strings.Lines(string(b)) {
		number, word, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n >= maildirKeywords || word == "" {
			continue
		}
		for len(keywords) <= n {
			keywords = append(keywords, "")
		}
		keywords[n] = unescape(word)
	}
	return keywords
}
