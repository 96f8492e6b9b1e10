//go:build !linux

package rig

import "testing"

// Cores are a machine's processors, divided between a server and all else; nothing divides them here.
type Cores struct{}

// Divide returns nil.
func Divide(testing.TB) *Cores { return nil }

// Serve is the function of that name.
func (*Cores) Serve(t testing.TB, args ...string) *Process {
	t.Helper()
	return Serve(t, args...)
}

func prefer(int) {}
