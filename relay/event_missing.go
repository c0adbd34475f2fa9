package relay

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// searchBytes is how much of the log's end is searched for lines that may be missing. They were written
// within a second or two of the crash, or not at all.
const searchBytes = 64 << 20

// missing returns those lines of texts that the log's files lack, in their order. A line that stands in
// texts several times must be in the log as often. Those that are there are synced, but for the newest
// file's, which the next Sync syncs. With an error it returns lines that may be there, where a file could not be
// read.
func (l *EventLog) missing(texts [][]byte) ([]byte, error) {
	if l.file == nil {
		return nil, nil
	}
	s := lineSearch{want: make(map[string]int)}
	for _, text := range texts {
		for line := range bytes.Lines(text) {
			s.want[string(line)]++
			s.left++
		}
	}
	l.fileMu.Lock() // nothing is rotated meanwhile
	defer l.fileMu.Unlock()
	err := s.files(l.opt.Path)
	var out []byte
	for _, text := range texts {
		for line := range bytes.Lines(text) {
			if s.want[string(line)] > 0 {
				s.want[string(line)]--
				out = append(out, line...)
			}
		}
	}
	return out, err
}

// lineSearch looks for lines in files.
type lineSearch struct {
	want map[string]int // how many of each line are still to be found
	left int            // sum of want
}

// files searches the log at path: the file itself, and those beside it that begin with its name, newest
// first, whoever rotated them.
func (s *lineSearch) files(path string) error {
	paths, err := eventFilesByAge(path)
	if err != nil {
		return err
	}
	var errs []error
	budget := int64(searchBytes)
	for _, p := range paths {
		if s.left == 0 || budget <= 0 {
			break
		}
		n, err := s.file(p, budget, p != path)
		errs = append(errs, err)
		budget -= n
	}
	return errors.Join(errs...)
}

func eventFilesByAge(path string) ([]string, error) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	changed := make(map[string]time.Time)
	var paths []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(e.Name(), base) {
			continue // gone already, or somebody else's
		}
		p := dir + e.Name()
		changed[p] = info.ModTime()
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b string) int {
		if a == path || b == path { // the newest, whatever its time
			return cmp.Compare(len(a), len(b))
		}
		return changed[b].Compare(changed[a])
	})
	return paths, nil
}

// file searches the last limit bytes of a file and returns how many there were. If something was found
// and sync is set, the file is synced.
func (s *lineSearch) file(path string, limit int64, sync bool) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	limit = min(limit, size)
	if _, err := f.Seek(size-limit, io.SeekStart); err != nil {
		return 0, err
	}
	before := s.left
	if err := s.lines(f); err != nil {
		return 0, err
	}
	if sync && s.left < before {
		return limit, datasync(f)
	}
	return limit, nil
}

func (s *lineSearch) lines(r io.Reader) error {
	lines := bufio.NewReaderSize(r, maxEventLine)
	for s.left > 0 {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return nil
		case err == bufio.ErrBufferFull: // longer than any of ours
			if err := skipLine(lines); err != nil {
				return eofIsFine(err)
			}
			continue
		case err != nil:
			return err
		}
		if n, ok := s.want[string(line)]; ok && n > 0 {
			s.want[string(line)] = n - 1
			s.left--
		}
	}
	return nil
}

func eofIsFine(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
