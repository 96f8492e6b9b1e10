package flight

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTheLastFewAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "flight")
	var log bytes.Buffer
	r, err := Start(Options{Dir: dir, Keep: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 5, 14, 29, 58, 0, time.UTC)
	for range 3 {
		r.Late(300*time.Millisecond, now)
		r.Late(300*time.Millisecond, now.Add(time.Second)) // just now
		now = now.Add(2 * time.Minute)
	}
	if got := files(t, dir); strings.Join(got, " ") != "late-20260105T143158.000.trace late-20260105T143358.000.trace notes.txt" {
		t.Errorf("%q", got)
	}
	b, err := os.ReadFile(filepath.Join(dir, "late-20260105T143358.000.trace"))
	if err != nil || !bytes.HasPrefix(b, []byte("go 1.")) {
		t.Errorf("%d bytes that are no trace, %v", len(b), err)
	}
	if strings.Count(log.String(), "late=300ms") != 3 {
		t.Errorf("log: %s", log.String())
	}
}

func TestADiskThatIsFullIsSaid(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	r, err := Start(Options{Dir: filepath.Join(dir, "flight"), Keep: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	if err := os.RemoveAll(filepath.Join(dir, "flight")); err != nil {
		t.Fatal(err)
	}
	r.Late(time.Second, time.Now())
	if !strings.Contains(log.String(), "cannot be written") {
		t.Errorf("log: %s", log.String())
	}
}
