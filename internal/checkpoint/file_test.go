package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func saveOne(t *testing.T, dir, payload string) {
	t.Helper()
	n, err := save(dir, 1, func(w *Writer) error { return w.Section(1, []byte(payload)) })
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(Names(dir)[0])
	if err != nil || st.Size() != n || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v, said to have %d bytes", st, err, n)
	}
}

// holds returns the payload of a checkpoint's only section.
func holds(t *testing.T, name string) string {
	t.Helper()
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, payload, err := f.Next()
	if err != nil {
		t.Fatal(err)
	}
	text := string(payload)
	if _, _, err := f.Next(); err != io.EOF {
		t.Fatal(err)
	}
	return text
}

func TestTheLastTwoAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	for _, payload := range []string{"one", "two", "three"} {
		saveOne(t, dir, payload)
	}
	names := Names(dir)
	if a, b := holds(t, names[0]), holds(t, names[1]); a != "three" || b != "two" {
		t.Fatalf("kept %q and %q", a, b)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Fatalf("left in the directory: %v, %v", entries, err)
	}
}

// Whatever goes wrong on the way, what was there before stays.
func TestFailureLeavesWhatWas(t *testing.T) {
	dir := t.TempDir()
	saveOne(t, dir, "one")
	full := errors.New("disk full")
	if _, err := save(dir, 2, func(w *Writer) error {
		if err := w.Section(1, make([]byte, 1<<20)); err != nil {
			return err
		}
		return full
	}); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	if got := holds(t, Names(dir)[0]); got != "one" {
		t.Fatalf("got %q", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatalf("half a checkpoint is left: %v", entries)
	}
	// A crash in the middle of writing leaves a file that the next one overwrites.
	if err := os.WriteFile(filepath.Join(dir, begun), []byte(strings.Repeat("half", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	saveOne(t, dir, "two")
	if a, b := holds(t, Names(dir)[0]), holds(t, Names(dir)[1]); a != "two" || b != "one" {
		t.Fatalf("kept %q and %q", a, b)
	}
}

// A damaged checkpoint that is set aside does not push the good one out.
func TestDamagedOneIsSetAside(t *testing.T) {
	dir := t.TempDir()
	saveOne(t, dir, "one")
	saveOne(t, dir, "two")
	names := Names(dir)
	if err := os.Truncate(names[0], 30); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(names[0]); err == nil || !strings.Contains(err.Error(), names[0]) || !strings.Contains(err.Error(), "truncated") {
		t.Fatalf("got %v, want one that names the file and what is wrong", err)
	}
	SetAside(names[0])
	if _, err := Open(names[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	saveOne(t, dir, "three")
	if a, b := holds(t, names[0]), holds(t, names[1]); a != "three" || b != "one" {
		t.Fatalf("kept %q and %q", a, b)
	}
}

func TestPlacesThatAreNoPlace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := save(filepath.Join(file, "below"), 1, func(*Writer) error { return nil }); err == nil {
		t.Error("a checkpoint is saved below a file")
	}
	if err := os.MkdirAll(Names(dir)[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Names(dir)[0]); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("opening a directory: %v", err)
	}
}
