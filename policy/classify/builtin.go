package classify

import (
	"embed"
	"sync"
)

//go:embed rules/*.txt
var ruleFiles embed.FS

// BuiltinFiles returns our own files in their order, to be put behind an operator's.
func BuiltinFiles() ([]File, error) {
	entries, err := ruleFiles.ReadDir("rules")
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries { // sorted by name
		text, err := ruleFiles.ReadFile("rules/" + e.Name())
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: "rules/" + e.Name(), Text: string(text)})
	}
	return files, nil
}

// builtin is made when it is first needed. It can only fail by a mistake in our files, which the tests find.
var builtin = sync.OnceValue(func() *Table {
	files, err := BuiltinFiles()
	if err == nil {
		var t *Table
		if t, err = New(files...); err == nil {
			return t
		}
	}
	panic("classify: " + err.Error())
})

// Builtin returns the table of our own files.
func Builtin() *Table { return builtin() }
