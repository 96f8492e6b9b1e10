// Package dirlock takes a directory for one process, so that no two write to the same files.
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrInUse is the error of a directory that another process has taken.
var ErrInUse = errors.New("in use by another process")

// Lock is a directory that was taken.
type Lock struct{ file *os.File }

// Take makes dir where it is missing, and takes it until Release or the end of the process, however that ends: the kernel gives
// the lock back, so no stale one is ever in the way.
func Take(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := take(f); err != nil {
		f.Close()
		if errors.Is(err, errTaken) {
			return nil, fmt.Errorf("data directory %s is %w: stop that one, or choose another directory", dir, ErrInUse)
		}
		return nil, fmt.Errorf("data directory %s: lock: %w", dir, err)
	}
	return &Lock{f}, nil
}

// Release gives the directory back. The file that it was taken by stays; it holds nothing.
func (l *Lock) Release() { _ = l.file.Close() }
