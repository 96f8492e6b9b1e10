package rig

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

const (
	insideNetwork = "RIG_NETWORK"
	builtPrograms = "RIG_PROGRAMS"
)

// isolate runs this test binary once more, in a network of its own, and returns its exit status: no port is taken by others there,
// and nothing can leave it. It returns false where that is not possible, or has been done.
func isolate() (status int, done bool) {
	if isolated() || os.Geteuid() != 0 {
		return 0, false
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, false
	}
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), insideNetwork+"=own", builtPrograms+"="+programs.dir)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	runtime.LockOSThread() // the signal comes when the thread that started it ends
	defer runtime.UnlockOSThread()
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := again.Start(); err != nil {
		return 0, false
	}
	_ = again.Wait()
	if code := again.ProcessState.ExitCode(); code >= 0 {
		return code, true
	}
	return 1, true
}

// isolated reports whether this process has a network of its own.
func isolated() bool { return os.Getenv(insideNetwork) != "" }

// openLoopback has the own network's loopback interface take traffic.
func openLoopback() error {
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("loopback: %w\n%s", err, out)
	}
	return nil
}
