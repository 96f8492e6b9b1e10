package dirlock

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneProcessHasADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	l, err := Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(dir); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another") {
		t.Fatalf("taken twice: %v", err)
	}
	l.Release()
	if l, err = Take(dir); err != nil {
		t.Fatalf("given back, and yet: %v", err)
	}
	l.Release()
}

func TestDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "in")} {
		if _, err := Take(dir); err == nil || errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "data directory") {
			t.Errorf("%s: %v", dir, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(dir); err == nil || errors.Is(err, ErrInUse) {
		t.Errorf("its lock is a directory: %v", err)
	}
}
