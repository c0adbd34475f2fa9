// Package posthaste_test checks what holds for the whole module.
package posthaste_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/posthaste-mta/posthaste"

// storeys is the order of the folders: a package imports only packages of lower storeys, and
// those of its own folder. Folders of one storey do not know each other.
var storeys = map[string]int{
	"message":  0,
	"smtp":     1,
	"resolver": 1,
	"policy":   1,
	"queue":    1,
	"mailbox":  1,
	"relay":    2,
	"admin":    3,
	"bench":    3,
	"cmd":      4,
}

// only says which folders alone may import a library, so that it can be replaced in one place: a top
// folder with all in it, or one package.
var only = map[string][]string{
	"github.com/prometheus/":          {"admin"},
	"github.com/cockroachdb/pebble":   {"queue", "policy/store", "mailbox"},
	"github.com/pelletier/go-toml":    {"cmd"},
	"github.com/alecthomas/kong":      {"cmd"},
	"github.com/fsnotify/":            {"cmd"},
	"github.com/schollz/progressbar":  {"bench", "cmd"},
	"github.com/miekg/dns":            {"resolver", "bench"},
	"github.com/pires/go-proxyproto":  {"smtp", "cmd"},
	"github.com/emersion/go-smtp":     {"smtp", "relay", "bench", "cmd"},
	"github.com/rogpeppe/go-internal": {"cmd"},
	"blitiri.com.ar/go/spf":           {"policy/inbound"},
	"github.com/emersion/go-imap":     {"mailbox/imap"},
	"github.com/emersion/go-msgauth":  {}, // tests compare with it
	"github.com/xdg-go/":              {"policy"},
	"golang.org/x/crypto/argon2":      {"policy"},
}

func TestImportsPointDown(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || !strings.Contains(name, string(filepath.Separator)):
			return nil
		}
		files++
		checkImports(t, filepath.ToSlash(name))
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files read: %v", files, err)
	}
}

func checkImports(t *testing.T, file string) {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	from := topFolder(path.Dir(file))
	if _, ok := storeys[from]; !ok {
		t.Errorf("%s: folder %s has no place in the order; give it one in storeys", file, from)
		return
	}
	test := strings.HasSuffix(file, "_test.go")
	for _, spec := range tree.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		if inner, ok := strings.CutPrefix(target, module+"/"); ok {
			if problem := mayImport(from, path.Dir(file), inner, test); problem != "" {
				t.Errorf("%s imports %s: %s", file, inner, problem)
			}
		}
		checkLibrary(t, file, from, target, test)
	}
}

// mayImport tells why a file of the folder dir, which belongs to from, may not import the package
// target; "" if it may.
func mayImport(from, dir, target string, test bool) string {
	to := topFolder(target)
	switch {
	case to == "cmd":
		return "nothing imports a command"
	case to == from:
		return "" // a folder orders its own packages; Go refuses circles
	case test && isTestHelper(target):
		return "" // servers for tests know nothing of their users
	case isTestHelper(target) && !isTestHelper(dir):
		return "only tests use it"
	case storeys[from] <= storeys[to]:
		return "imports point down only: " + from + " does not stand above " + to
	default:
		return ""
	}
}

func checkLibrary(t *testing.T, file, from, target string, test bool) {
	for prefix, folders := range only {
		if !strings.HasPrefix(target, prefix) || test {
			continue
		}
		allowed := false
		for _, f := range folders {
			allowed = allowed || f == from || f == path.Dir(file)
		}
		if !allowed {
			t.Errorf("%s imports %s: only %v may", file, target, folders)
		}
	}
}

// isTestHelper tells whether a package is there for tests alone, such as smtp/smtptest.
func isTestHelper(dir string) bool { return strings.HasSuffix(dir, "test") }

func topFolder(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}
