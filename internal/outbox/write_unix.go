//go:build unix && !linux

package outbox

import "syscall"

func writeSocket(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
