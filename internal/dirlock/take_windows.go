package dirlock

import (
	"os"

	"golang.org/x/sys/windows"
)

// errTaken is what take returns for a file that another process holds.
const errTaken = windows.ERROR_LOCK_VIOLATION

func take(f *os.File) error {
	const exclusiveNow = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), exclusiveNow, 0, 1, 0, new(windows.Overlapped))
}
