//go:build unix

package footprint

import "syscall"

// Descriptors is how many files and sockets this process may have open; 0: nobody knows.
func Descriptors() int {
	const many = 1 << 30
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > many { //nolint:unconvert // int64 on some systems
		return 0
	}
	return int(limit.Cur)
}
