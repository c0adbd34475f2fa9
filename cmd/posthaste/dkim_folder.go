package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/posthaste-mta/posthaste/policy/dkim"
)

// keyListFile tells the states of the keys in a key folder.
const keyListFile = "keys.toml"

const keyListHead = `# The DKIM keys in this folder, written by "posthaste dkim". Edit it with care: posthaste check tells of mistakes, and
# the daemon reads it at its start and on a reload. The records of the keys are in the DNS.
`

// keyFolder is the folder of [dkim] dir: a PEM file for each key, and keys.toml with what is to become of them. It is plain
// files so that it can be backed up, moved and looked at by the usual means.
type keyFolder struct {
	dir  string
	keys []DKIMKey
	pos  *Positions
	made []string // files of new keys that are not entered yet
}

// keyList is the content of keys.toml.
type keyList struct {
	Keys []DKIMKey `toml:"key"`
}

// readKeyFolder reads keys.toml; a folder that is not there has no keys. The errors name file and line.
func readKeyFolder(dir string) (*keyFolder, error) {
	f := &keyFolder{dir: dir, pos: &Positions{File: filepath.Join(dir, keyListFile)}}
	text, err := readConfigFile(f.pos.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("dkim: %w", err)
	}
	var list keyList
	if f.pos, err = decodeText(f.pos.File, text, &list); err != nil {
		return nil, err
	}
	var errs ConfigErrors
	for i := range list.Keys {
		k := &list.Keys[i]
		k.complete()
		if key, err := k.problem(); err != nil {
			errs = append(errs, keyError(f.pos, fmt.Sprintf("key[%d].%s", i, key), err))
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	f.keys = list.Keys
	return f, nil
}

// keyError is what is wrong with one key of an entry, by its line.
func keyError(pos *Positions, key string, err error) ConfigError {
	return ConfigError{pos.File, pos.nearest(key), key, err.Error()}
}

// path returns where a key's file is.
func (f *keyFolder) path(k *DKIMKey) string {
	if filepath.IsAbs(k.File) {
		return k.File
	}
	return filepath.Join(f.dir, k.File)
}

// changeKeyFolder has change alter the keys of a folder, alone among all commands that want to, and writes them in one
// step: after a crash there are the old states or the new ones. The folder is made if it is missing.
func changeKeyFolder(dir string, change func(*keyFolder) error) error {
	if err := makeFolder(dir); err != nil {
		return fmt.Errorf("dkim: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("dkim: %w", err)
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("dkim: lock %s: %w", dir, err)
	}
	f, err := readKeyFolder(dir)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		for _, path := range f.made {
			os.Remove(path)
		}
		return err
	}
	sortKeys(f.keys)
	return writeDurably(f.pos.File, f.text())
}

// text writes keys.toml.
func (f *keyFolder) text() []byte {
	b := bytes.NewBufferString(keyListHead)
	for _, k := range f.keys {
		b.WriteString("\n[[key]]\n")
		for _, s := range [][2]string{
			{"domain", k.Domain}, {"selector", k.Selector}, {"file", k.File}, {"identity", k.Identity},
			{"state", k.State}, {"until", k.Until.String()},
		} {
			if s[1] != "" {
				fmt.Fprintf(b, "%s = %s\n", s[0], strconv.Quote(s[1]))
			}
		}
	}
	return b.Bytes()
}

// add makes a file for a new key and enters it. The file is safe before the entry is written.
func (f *keyFolder) add(k DKIMKey, private *dkim.PrivateKey) error {
	text, err := private.MarshalPEM()
	if err != nil {
		return err
	}
	k.File = k.Domain + "." + k.Selector + ".pem"
	if exists(f.path(&k)) { // an old key, perhaps one in use elsewhere
		return withCode(exitUsage, fmt.Errorf("dkim: %s is there already", f.path(&k)))
	}
	if err := writeDurably(f.path(&k), text); err != nil {
		return fmt.Errorf("dkim: %w", err)
	}
	f.made = append(f.made, f.path(&k))
	f.keys = append(f.keys, k)
	return nil
}

// makeFolder makes a folder for the one who owns the folder above: commands are run as root, and the daemon is not.
func makeFolder(dir string) error {
	if exists(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return likeFolder(dir)
}

// likeFolder gives a file or folder to the owner of the folder that it is in, as far as that takes root.
func likeFolder(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	above, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if s, ok := above.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(s.Uid), int(s.Gid))
	}
	return nil
}

// writeDurably puts a file for its owner alone in the place of what is there, whole or not at all.
func writeDurably(path string, text []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := likeFolder(temp.Name()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
