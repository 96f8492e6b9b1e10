// Package tools holds deploy/ against the programs that it is for: "make check-deploy" fetches them and says where they are.
package tools

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// deploy is the folder that is judged.
const deploy = "../.."

// tool returns the path of a program.
func tool(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("DEPLOY_TOOLS")
	if dir == "" {
		t.Fatal("DEPLOY_TOOLS is not set: run make check-deploy, which fetches the programs that these tests need")
	}
	return filepath.Join(dir, name)
}

// run runs a program in a directory; its failure is the test's.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
	return string(out)
}

func TestPrometheus(t *testing.T) {
	promtool := tool(t, "promtool")
	dir := filepath.Join(deploy, "prometheus")
	run(t, dir, promtool, "check", "rules", "rules.yaml")
	run(t, dir, promtool, "test", "rules", "tests/rules.yaml")
	run(t, dir, promtool, "check", "config", "prometheus.yaml")
}

var build struct {
	once sync.Once
	path string
	err  error
}

// feedd returns the path of feedd, built once as the image builds it.
func feedd(t *testing.T) string {
	t.Helper()
	build.once.Do(func() {
		dir, err := os.MkdirTemp("", "feedd-deploy")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "feedd")
		cmd := exec.Command("go", "build", "-o", build.path, "./cmd/feedd")
		cmd.Dir, cmd.Env = filepath.Join(deploy, ".."), append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("building feedd: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if build.path != "" {
		_ = os.RemoveAll(filepath.Dir(build.path))
	}
	os.Exit(code)
}
