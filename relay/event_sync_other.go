//go:build !linux

package relay

import "os"

func datasync(f *os.File) error { return f.Sync() }
