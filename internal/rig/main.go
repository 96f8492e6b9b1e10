package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programs are what a test binary builds, each once and when it is first needed.
var programs struct {
	dir         string
	feedd, nats func() (string, error)
}

// Options of Main.
type Options struct {
	// Race builds feedd with the race detector: a data race anywhere fails the test whose server reports it.
	Race bool
	// Isolate runs the tests in a network of their own, where that is possible: see NoNetwork.
	Isolate bool
}

// Main runs the tests of a package with what they start.
func Main(m *testing.M, o Options) int {
	status, err := run(m, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

func run(m *testing.M, o Options) (status int, err error) {
	if was, err := beBystanders(); was {
		return 0, err
	}
	if programs.dir = os.Getenv(builtPrograms); programs.dir == "" {
		if programs.dir, err = os.MkdirTemp("", "feedd-rig"); err != nil {
			return 0, err
		}
		defer func() { _ = os.RemoveAll(programs.dir) }()
	}
	var how []string
	if o.Race {
		how = []string{"-race"}
	}
	programs.feedd = building("feedd", "github.com/feedd/feedd/cmd/feedd", how...)
	programs.nats = building("natsd", "github.com/feedd/feedd/internal/rig/natsd")
	if !o.Isolate {
		return m.Run(), nil
	}
	if isolated() {
		if err := openLoopback(); err != nil {
			return 0, err
		}
		return m.Run(), nil
	}
	// Ahead of it: to build may take the network.
	for _, build := range []func() (string, error){programs.feedd, programs.nats} {
		if _, err := build(); err != nil {
			return 0, err
		}
	}
	if status, done := isolate(); done {
		return status, nil
	}
	return m.Run(), nil
}

func building(name, pkg string, how ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(programs.dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil // built by the process that has this one in a network of its own
		}
		build := exec.Command("go", append(append([]string{"build"}, how...), "-o", path, pkg)...)
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return path, nil
	})
}

// Binary is the feedd under test.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := programs.feedd()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
