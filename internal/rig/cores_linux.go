package rig

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Cores are a machine's processors, divided between a server and all else that a test runs: what clients take of them is not
// taken from the server, and what it does is the server's own.
type Cores struct {
	t      testing.TB
	server int
}

// Divide gives the last core to a server and the others to the test and whatever it starts from now on, until it ends. Where there is
// only one it returns nil, with which Serve is as without.
func Divide(t testing.TB) *Cores {
	t.Helper()
	var all, rest unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	if all.Count() < 2 {
		return nil
	}
	c := &Cores{t: t}
	for i, left := 0, all.Count(); left > 0; i++ {
		if all.IsSet(i) {
			c.server, left = i, left-1
		}
	}
	rest = all
	rest.Clear(c.server)
	moveTo(t, &rest)
	t.Cleanup(func() { moveTo(t, &all) })
	return c
}

// moveTo has every thread of this process, and with it those that they start, run on some cores.
func moveTo(t testing.TB, to *unix.CPUSet) {
	t.Helper()
	const looks = 2 // a thread may have been started while they were gone through
	for range looks {
		for _, thread := range threads(os.Getpid()) {
			if err := unix.SchedSetaffinity(thread, to); err != nil && err != unix.ESRCH {
				t.Fatal(err)
			}
		}
	}
}

// Serve is the function of that name on the server's core.
func (c *Cores) Serve(t testing.TB, args ...string) *Process {
	t.Helper()
	if c == nil {
		return Serve(t, args...)
	}
	return Under(t, "taskset", []string{"-c", strconv.Itoa(c.server)}, args...)
}

// threads are those of a process.
func threads(pid int) (all []int) {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // none where it has ended
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// prefer has a process go ahead of others on its core, where this one may say so: what measures must not wait for what makes
// trouble.
func prefer(pid int) {
	for range 2 {
		for _, thread := range threads(pid) {
			_ = unix.SchedSetAttr(thread, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
		}
	}
}
