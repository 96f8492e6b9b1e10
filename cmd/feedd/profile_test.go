package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// profile is what releases are optimised by.
const profile = "cmd/feedd/fanout.pgo"

// Whatever is shipped is built with the profile, by a path that is the same everywhere.
func TestReleasesAreBuiltWithTheProfile(t *testing.T) {
	for _, path := range []string{"scripts/release", "deploy/docker/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		builds := 0
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, "go build") {
				continue
			}
			builds++
			if !strings.Contains(line, "-trimpath") || !strings.Contains(line, "-pgo="+profile+" ") {
				t.Errorf("%s: %q has no -trimpath or no -pgo=%s", path, strings.TrimSpace(line), profile)
			}
		}
		if builds != 1 {
			t.Errorf("%s builds %d times, want once", path, builds)
		}
	}
}

// Go can read the profile, and it is one of fan-out.
func TestTheProfileIsOfFanout(t *testing.T) {
	edges := filepath.Join(t.TempDir(), "edges")
	if out, err := exec.Command("go", "tool", "preprofile", "-i", filepath.Base(profile), "-o", edges).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(edges)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{
		"fanout.(*phase).run\ngithub.com/feedd/feedd/fanout.(*phase).flush\n", "outbox.(*Conn).Send\ngithub.com/feedd/feedd/internal/outbox.(*Conn).put\n",
	} {
		if !strings.Contains(string(text), call) {
			t.Errorf("no call of %s", strings.ReplaceAll(strings.TrimSpace(call), "\n", " to "))
		}
	}
}
