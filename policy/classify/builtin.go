package classify

import "embed"

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

// Builtin returns the table of our own files. Building it takes milliseconds: it is for the start of a process. An
// error is a mistake in our files, which the tests find.
func Builtin() (*Table, error) {
	files, err := BuiltinFiles()
	if err != nil {
		return nil, err
	}
	return New(files...)
}
