//go:build !unix

package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A dirLock keeps a directory to one process, until it is released. Unlike on Unix the file outlives a crash.
type dirLock struct{ f *os.File }

// lockDir makes dir where it is missing and locks it. It returns errLocked where another process has it.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	// An open file cannot be removed here, so one that can be is a dead process's.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(errLocked, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, errLocked
	}
	if err != nil {
		return nil, err
	}
	return &dirLock{f}, nil
}

func (l *dirLock) release() error { return l.f.Close() }
