package relay

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// eventFileNames tells what lies in a log's folder: "." for the log, "-" for a rotated file, "z" for a compressed one,
// in the order of their lines.
func eventFileNames(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, e := range entries { // the log itself sorts first
		switch name := e.Name(); {
		case name == filepath.Base(path):
		case strings.HasSuffix(name, "Z"):
			out += "-"
		case strings.HasSuffix(name, "Z.gz"):
			out += "z"
		default:
			out += "?"
		}
	}
	return out + "."
}

// Rotated files are compressed when they are no longer the newest, and read back all the same.
func TestRotatedFilesAreCompressed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	synctest.Test(t, func(t *testing.T) {
		l := openLog(t, EventLogOptions{Path: path, MaxBytes: 300, MaxFiles: 5, MaxAge: -1, Compress: true})
		for n := 1; n <= 20; n++ {
			put(t, l, n)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
		}
		if got := eventFileNames(t, path); got != "zzzz-." {
			t.Errorf("files %q", got)
		}
		got := readNumbers(t, path)
		if want := upTo(20)[20-len(got):]; len(got) < 6 || !slices.Equal(got, want) {
			t.Errorf("read back %v", got)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Whatever a crash leaves of a compression, each line is read once, and the next start tidies up.
func TestCrashWhileCompressing(t *testing.T) {
	compressed := func(t *testing.T, plain string) []byte {
		data, err := os.ReadFile(plain)
		if err == nil {
			err = compressFile(plain, nil)
		}
		if err == nil {
			err = os.WriteFile(plain, data, 0o640)
		}
		data, readErr := os.ReadFile(plain + compressedSuffix)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		return data
	}
	crashes := map[string]func(t *testing.T, plain string) error{
		"half written": func(t *testing.T, plain string) error {
			whole := compressed(t, plain)
			return errors.Join(os.Remove(plain+compressedSuffix), os.WriteFile(plain+halfSuffix, whole[:len(whole)/2], 0o640))
		},
		"renamed, and the other not removed": func(t *testing.T, plain string) error {
			compressed(t, plain)
			return nil
		},
		"done": func(t *testing.T, plain string) error {
			compressed(t, plain)
			return os.Remove(plain)
		},
	}
	for name, crash := range crashes {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.jsonl")
			synctest.Test(t, func(t *testing.T) {
				opt := EventLogOptions{Path: path, MaxBytes: 300, MaxFiles: -1, MaxAge: -1}
				l := openLog(t, opt)
				for n := range 8 {
					put(t, l, n+1)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				files, err := rotatedEventFiles(path)
				if err == nil {
					err = crash(t, files[0].path)
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := readNumbers(t, path); !slices.Equal(got, upTo(8)) {
					t.Errorf("read back %v", got)
				}
				time.Sleep(time.Hour)
				opt.Compress = true
				l = openLog(t, opt)
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := eventFileNames(t, path); got != strings.Repeat("z", len(files)-1)+"-." {
					t.Errorf("files %q", got)
				}
				if got := readNumbers(t, path); !slices.Equal(got, upTo(8)) {
					t.Errorf("read back %v after the next start", got)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A file may be compressed between being listed and being opened. A damaged one costs its own lines.
func TestReadingCompressedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l := openLog(t, EventLogOptions{Path: path, MaxBytes: 300, MaxAge: -1})
	for n := range 8 {
		put(t, l, n+1)
	}
	files, err := rotatedEventFiles(path)
	if err == nil {
		err = compressFile(files[0].path, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := openRotated(files[0])
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := openRotated(rotatedFile{path: path + ".gone"}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(files[0].path+compressedSuffix, []byte("not gzip"), 0o640); err != nil {
		t.Fatal(err)
	}
	read, bad := 0, 0
	for _, err := range ReadEvents(context.Background(), path, ReadOptions{}) {
		var line *BadLineError
		switch {
		case err == nil:
			read++
		case errors.As(err, &line) && line.File == files[0].path+compressedSuffix:
			bad++
		default:
			t.Error(err)
		}
	}
	if read == 0 || read == 8 || bad != 1 {
		t.Errorf("read %d events, and %d errors", read, bad)
	}
}
