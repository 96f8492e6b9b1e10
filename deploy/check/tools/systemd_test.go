package tools

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze may find of a unit, in tenths of its scale from 0 (safe) to 10.
const exposure = "20"

func TestSystemd(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join(deploy, "systemd/feedd.service"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "feedd.service")
	// The program is looked for, and it lies elsewhere here.
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/feedd", feedd(t))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, dir, "systemd-analyze", "verify", "--man=no", path); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	run(t, dir, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+exposure, path)
}

// Each setting of the kernel is one that this kernel knows, with a value of the form that it has.
func TestSysctls(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(deploy, "systemd/99-feedd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		n++
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Errorf("%q: want NAME = VALUE", line)
			continue
		}
		have, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(strings.TrimSpace(name), ".", "/")))
		if err != nil {
			continue // not in this namespace
		}
		if len(strings.Fields(string(have))) != len(strings.Fields(value)) {
			t.Errorf("%s: the kernel has %q here, and the file %q", name, have, value)
		}
	}
	if n < 10 {
		t.Errorf("only %d settings found", n)
	}
}
