package suppress

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/posthaste-mta/posthaste/policy/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

func formatOf(name string) Format { return Format(strings.TrimPrefix(filepath.Ext(name), ".")) }

// Each file of testdata/import is imported; what comes of it, the entries or the problems, stands in
// the file beside it.
func TestImportFiles(t *testing.T) {
	names, err := filepath.Glob("testdata/import/*l")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/import/*.csv")
	if err != nil || len(names) == 0 || len(more) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range append(names, more...) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c := &clock{testStart}
			l := openTest(t, vfs.NewMem(), Options{Now: c.now})
			var out bytes.Buffer
			res, err := l.Import(t.Context(), bytes.NewReader(file), formatOf(name), "acme")
			if err != nil {
				fmt.Fprintln(&out, err)
			} else {
				fmt.Fprintf(&out, "%+v\n", res)
			}
			if _, err := l.Export(&out, JSONLines, Filter{}); err != nil {
				t.Fatal(err)
			}
			golden := name + ".golden"
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestImportReplaces(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	if err := l.Add(t.Context(), Entry{Tenant: "acme", Target: "a@example.com", Reason: "complaint"}); err != nil {
		t.Fatal(err)
	}
	res, err := l.Import(t.Context(), strings.NewReader("a@example.com\nb@example.com\nB@example.com\n"), CSV, "acme")
	if diff := cmp.Diff(ImportResult{Lines: 3, New: 1, Replaced: 2}, res); diff != "" || err != nil {
		t.Error(diff, err)
	}
	e, _, _ := l.Lookup("acme", address(t, "a@example.com"))
	if e.Reason != Imported {
		t.Errorf("%+v", e)
	}
	if m := l.Metrics(); m.Entries != 2 {
		t.Errorf("%+v", m)
	}
}

// What is exported can be imported, in either format, and is then the same.
func TestExportAndImport(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &clock{testStart}
		from, to := openPlain(r, c), openPlain(r, c)
		defer from.close()
		defer to.close()
		text := rapid.StringN(0, 40, 600)
		for range rapid.IntRange(0, 5).Draw(r, "entries") {
			e := Entry{
				Tenant:   rapid.StringMatching(`[a-zA-Z ,";]{0,8}`).Draw(r, "tenant"),
				Target:   rapid.SampledFrom([]string{"a@x.test", `"a,\"b"@x.test`, "ü@x.test", "x.test", "[192.0.2.1]", "#a@x.test"}).Draw(r, "target"),
				Reason:   rapid.StringMatching(`[a-z0-9-]{0,32}`).Draw(r, "reason"),
				Evidence: Evidence{Remote: text.Draw(r, "remote")},
			}
			if rapid.Bool().Draw(r, "until") {
				e.Until = c.t.Add(time.Hour)
			}
			e.Tenant = strings.TrimSpace(e.Tenant)
			must(r, from.Add(r.Context(), e))
		}
		format := rapid.SampledFrom([]Format{CSV, JSONLines}).Draw(r, "format")
		var file bytes.Buffer
		n, err := from.Export(&file, format, Filter{})
		must(r, err)
		res, err := to.Import(r.Context(), &file, format, "nobody")
		must(r, err)
		if res.Lines != n || res.New != n {
			r.Fatalf("%d exported, %+v", n, res)
		}
		if diff := cmp.Diff(entries(r, from.List), entries(r, to.List)); diff != "" {
			r.Fatal(diff)
		}
	})
}

// plainList has a store of its own.
type plainList struct{ *List }

func openPlain(t interface {
	fataler
	Context() context.Context
}, c *clock) plainList {
	t.Helper()
	l, err := Open(t.Context(), Options{Store: openStore(t, vfs.NewMem()), Now: c.now})
	must(t, err)
	return plainList{l}
}

func (p plainList) close() { _, _ = p.Close(), p.store.Close() }

func entries(t fataler, l *List) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range l.Entries(Filter{}) {
		must(t, err)
		all = append(all, e)
	}
	return all
}

// bigFile returns a file of n entries, and a bad last line if bad.
func bigFile(n int, bad bool) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := range n {
			if _, err := fmt.Fprintf(w, "user%d@example%d.com\n", i, i%1000); err != nil {
				return // the reader has had enough
			}
		}
		if bad {
			_, _ = fmt.Fprintln(w, "not an address")
		}
		_ = w.Close()
	}()
	return r
}

func TestABadLastLineLeavesNothing(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	_, err := l.Import(t.Context(), bigFile(3000, true), CSV, "acme")
	if e, ok := errors.AsType[*ImportError](err); !ok || len(e.Problems) != 1 || e.Problems[0].Line != 3001 || e.Problems[0].Field != "target" {
		t.Fatal(err)
	}
	if n := len(entries(t, l)); n != 0 {
		t.Errorf("%d entries", n)
	}
	for e := range l.store.Scan(store.Imports, nil) {
		t.Fatalf("left behind: %q", e.Key)
	}
}

func TestAnImportThatIsCancelledLeavesNothing(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Import(ctx, strings.NewReader("a@example.com\n"), CSV, ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(entries(t, l)); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// At whatever moment the power fails, the next start finds all of an import or nothing; all if it was
// told to be done.
func TestAnImportIsWholeAfterACrash(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := openStore(t, disk)
	l, err := Open(t.Context(), Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = l.Close(), s.Close() }()
	var crashes []*vfs.MemFS
	const n = 4*importChunk + 7
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // crashes all along
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if len(crashes) < 200 {
					crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{}))
				}
			}
		}
	}()
	_, err = l.Import(t.Context(), bigFile(n, false), CSV, "acme")
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{}))
	for i, disk := range crashes {
		s := openStore(t, disk)
		l, err := Open(t.Context(), Options{Store: s})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(entries(t, l)); got != n && (got != 0 || i == len(crashes)-1) {
			t.Errorf("crash %d of %d: %d entries", i, len(crashes), got)
		}
		for e := range s.Scan(store.Imports, nil) {
			t.Fatalf("left behind: %q", e.Key)
		}
		if err := errors.Join(l.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOneImportAtATime(t *testing.T) {
	l := openTest(t, vfs.NewMem(), Options{})
	r, w := io.Pipe()
	first := make(chan error)
	go func() {
		_, err := l.Import(t.Context(), r, CSV, "")
		first <- err
	}()
	if _, err := fmt.Fprintln(w, "a@example.com"); err != nil { // the first has begun
		t.Fatal(err)
	}
	if _, err := l.Import(t.Context(), strings.NewReader("b@example.com\n"), CSV, ""); !errors.Is(err, ErrImporting) {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func FuzzImport(f *testing.F) {
	names, _ := filepath.Glob("testdata/import/*")
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil {
			f.Add(file, formatOf(name) == CSV)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, isCSV bool) {
		format := JSONLines
		if isCSV {
			format = CSV
		}
		in, err := newLines(bytes.NewReader(file), format, "")
		if err != nil {
			t.Fatal(err)
		}
		for range len(file) + 1 {
			e, line, err := in.next()
			if line < 0 || line > len(file)+1 {
				t.Fatalf("line %d", line)
			}
			if err == nil {
				_, err = e.normal(testStart)
			} else if _, ok := errors.AsType[lineError](err); !ok {
				return
			}
			_ = err
		}
		t.Error("no end")
	})
}

func FuzzRecord(f *testing.F) {
	e := Entry{Tenant: "acme", Target: "a@example.com", Reason: Manual, Since: testStart, Until: testStart, Evidence: Evidence{"e", "words"}}
	f.Add(appendKey(nil, e.Tenant, e.Target), appendRecord(nil, &e))
	f.Fuzz(func(t *testing.T, key, record []byte) {
		readBounces(record)
		e, err := readEntry(key, record)
		if err != nil {
			return
		}
		again, err := readEntry(key, appendRecord(nil, &e))
		if err != nil || again != e {
			t.Errorf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
