package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListsAreReadAheadOfEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lists.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("majors: [binance:BTCUSDT]\n")
	o, err := parseServe([]string{"--lists", path}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if entries, ok := o.lists.Entries("majors"); !ok || len(entries) != 1 {
		t.Errorf("majors is %v", entries)
	}
	for text, want := range map[string]string{"majors: [BTCUSDT]\n": "line 1: list \"majors\": symbol \"BTCUSDT\"", "[": "line 1"} {
		write(text)
		_, err := parseServe([]string{"--lists", path}, io.Discard)
		var usage *usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
	if _, err := parseServe([]string{"--lists", path + ".none"}, io.Discard); err == nil || !strings.Contains(err.Error(), "--lists") {
		t.Errorf("a file that is not there: %v", err)
	}
}
