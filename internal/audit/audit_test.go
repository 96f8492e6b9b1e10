package audit

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEntriesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "below", "audit.jsonl")
	l := open(t, path)
	for i := range 3 {
		l.Add(Entry{Actor: fmt.Sprint("a", i), Action: "policy.apply", Outcome: Done})
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"actor":"cut o`+"\n") // by a crash
	f.Close()
	l = open(t, path)
	l.Add(Entry{Actor: "later"})
	recent := l.Recent(3)
	if len(recent) != 3 || recent[0].Actor != "later" || recent[1].Actor != "a2" || recent[2].Actor != "a1" {
		t.Errorf("%+v", recent)
	}
	text, _ := os.ReadFile(path)
	if n := strings.Count(string(text), "\n"); n != 5 {
		t.Errorf("%d lines, want 5:\n%s", n, text)
	}
}

func TestMemoryIsBoundedAndADeadFileStopsNobody(t *testing.T) {
	l := open(t, "")
	for i := range 2 * remembered {
		l.Add(Entry{Actor: fmt.Sprint(i)})
	}
	if n := len(l.Recent(1 << 20)); n != remembered {
		t.Errorf("%d entries are remembered, want %d", n, remembered)
	}
	dead := open(t, filepath.Join(t.TempDir(), "audit.jsonl"))
	dead.path = filepath.Join(dead.path, "not", "a", "directory")
	dead.Add(Entry{Actor: "x"})
	if len(dead.Recent(1)) != 1 {
		t.Error("forgotten")
	}
}
