// Package tools holds deploy/ against the programs that it is for: "make check-deploy" fetches them and says where they are.
package tools

import (
	"os"
	"os/exec"
	"path/filepath"
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
