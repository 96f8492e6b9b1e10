package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsGeneratedIsFresh(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	files, err := outputs(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		if got, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(got) != string(want) {
			t.Errorf("%s is stale: run make generate, and commit what it changes (%v)", path, err)
		}
	}
}
