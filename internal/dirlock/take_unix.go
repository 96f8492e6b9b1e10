//go:build unix

package dirlock

import (
	"os"

	"golang.org/x/sys/unix"
)

// errTaken is what take returns for a file that another process holds.
const errTaken = unix.EWOULDBLOCK

func take(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
