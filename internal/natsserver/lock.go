package natsserver

import (
	"os"

	"golang.org/x/sys/unix"
)

// flock takes the file for this process. The kernel gives it back when the process ends, however it ends,
// so no stale lock is ever in the way.
func flock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
