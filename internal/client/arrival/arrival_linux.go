package arrival

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Supported reports whether the kernel tells times of arrival here.
const Supported = true

// Note has the kernel note when bytes reach the socket fd. It begins a moment later where no other socket of the machine had asked.
func Note(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }

// Receive reads from fd into b, as read(2) does, and returns when the last of the bytes arrived, in microseconds since the Unix
// epoch. Without a word of the kernel that is now.
func Receive(fd int, b []byte) (n int, at int64, err error) {
	var said [unix.SizeofCmsghdr + 16 + 8]byte
	for {
		var length int
		n, length, _, _, err = unix.Recvmsg(fd, b, said[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || length < unix.SizeofCmsghdr+16 {
			return n, time.Now().UnixMicro(), err
		}
		seconds, nanos := binary.NativeEndian.Uint64(said[unix.SizeofCmsghdr:]), binary.NativeEndian.Uint64(said[unix.SizeofCmsghdr+8:])
		return n, int64(seconds)*1e6 + int64(nanos)/1e3, nil
	}
}
