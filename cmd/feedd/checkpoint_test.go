package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/checkpoint/contents"
	"github.com/feedd/feedd/internal/natsserver"
)

func TestWhereCheckpointsGo(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	t.Setenv("XDG_STATE_HOME", "")
	const usual = "/home/ada/.local/state/feedd"
	for _, c := range []struct {
		args  []string
		saves bool
		dir   string
	}{
		{nil, true, usual},
		{[]string{"--nats-url", "nats://a:1"}, true, usual},
		{[]string{"--nats-url", "nats://a:1", "--data-dir", "/d"}, true, "/d"},
		{[]string{"--nats-url", "nats://a:1", "--checkpoint-every", "0"}, false, ""},
		{[]string{"--checkpoint-every", "0"}, false, usual},
	} {
		o, err := parseServe(c.args, io.Discard)
		if err != nil || o.saves() != c.saves || o.dataDir != c.dir {
			t.Errorf("%v: %v; want checkpoints %v in %q", c.args, err, c.saves, c.dir)
		}
	}
	t.Setenv("HOME", "")
	var stderr strings.Builder
	o, err := parseServe([]string{"--nats-url", "nats://a:1"}, &stderr)
	if err != nil || o.saves() || !strings.Contains(stderr.String(), "no place for checkpoints: name one with --data-dir") {
		t.Errorf("no home directory: %v, %q", err, stderr.String())
	}
	for bad, want := range map[string]string{"-1s": "want 0s to 1h", "often": "want a duration such as"} {
		if _, err := parseServe([]string{"--checkpoint-every", bad}, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("every %s: %v", bad, err)
		}
	}
}

// nodeOf returns a server of a NATS from elsewhere with its data in dir.
func nodeOf(t *testing.T, dir string) *server {
	t.Helper()
	o, err := parseServe([]string{"--nats-url", "nats://127.0.0.1:1", "--data-dir", dir}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(o, io.Discard)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestTwoNodesOnOneDataDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := nodeOf(t, dir)
	if err := first.loadState(); err != nil {
		t.Fatal(err)
	}
	var usage *usageError
	if err := nodeOf(t, dir).loadState(); !errors.As(err, &usage) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Fatalf("the second one is told %v", err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if err := nodeOf(t, dir).loadState(); err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
}

// A place that cannot be written to is no reason not to serve.
func TestDataDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := nodeOf(t, filepath.Join(file, "below"))
	if err := s.loadState(); err != nil || s.store == nil || s.keeper == nil {
		t.Fatalf("%v, store %v", err, s.store)
	}
	if took := s.keeper.Save(t.Context()); took < 0 || !s.keeper.Stats().Last.IsZero() {
		t.Fatal("saved below a file")
	}
}

// What was made of another stream's ticks is said once that is known; the same stream is not worth a word.
func TestAnotherStreamIsNamed(t *testing.T) {
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	var said bytes.Buffer
	s := nodeOf(t, t.TempDir())
	s.conn, s.options.log = nc, slog.New(slog.NewTextHandler(&said, nil))
	if s.findOrigin(t.Context()); s.origin != (contents.Origin{}) || said.Len() > 0 {
		t.Fatalf("without a stream: %+v, %s", s.origin, said.String())
	}
	if err := ingest.EnsureStream(t.Context(), nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.findOrigin(t.Context())
	if s.origin.Stream != ingest.DefaultStream || s.origin.Created == 0 || said.Len() > 0 {
		t.Fatalf("%+v, %s", s.origin, said.String())
	}
	s.loaded.Place.Origin = s.origin
	if s.findOrigin(t.Context()); said.Len() > 0 {
		t.Fatalf("the same stream: %s", said.String())
	}
	s.loaded.Place.Origin.Created--
	if s.findOrigin(t.Context()); !strings.Contains(said.String(), "the ticks of another stream") || !strings.Contains(said.String(), "there.stream=FEEDD") {
		t.Fatalf("another stream: %s", said.String())
	}
}
