//go:build !unix

package client

import "errors"

func setReceiveBuffer(uintptr, int) error {
	return errors.New("Options.ReceiveBuffer is not supported on this system")
}
