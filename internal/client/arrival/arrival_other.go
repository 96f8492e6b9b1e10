//go:build !linux

package arrival

import "errors"

// Supported reports whether the kernel tells times of arrival here.
const Supported = false

// Note has the kernel note when bytes reach the socket fd.
func Note(int) error { return errors.ErrUnsupported }

// Receive reads from fd, and tells when the last of the bytes arrived.
func Receive(int, []byte) (n int, at int64, err error) { return 0, 0, errors.ErrUnsupported }
