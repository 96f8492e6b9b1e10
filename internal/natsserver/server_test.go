package natsserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStreamsOutliveARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for round := range 2 {
		s, err := Start(Options{StoreDir: dir, Port: -1})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if _, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "KEEP", Subjects: []string{"keep.*"}}); err == nil {
				_, err = js.Publish(ctx, "keep.one", []byte("1"))
			}
		} else {
			var stream jetstream.Stream
			if stream, err = js.Stream(ctx, "KEEP"); err == nil {
				_, err = stream.GetLastMsgForSubject(ctx, "keep.one")
			}
		}
		nc.Close()
		s.Stop()
		s.Stop() // does nothing
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestDirectoryOfAnotherServer(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(Options{StoreDir: dir, Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	_, err = Start(Options{StoreDir: dir, Port: -1})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second server in %s: error %v, want one that names the directory and says that it is in use", dir, err)
	}
}

func TestTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	s, err := Start(Options{StoreDir: t.TempDir(), Port: taken})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if s.URL() == "nats://"+l.Addr().String() || !strings.HasPrefix(s.URL(), "nats://127.0.0.1:") {
		t.Fatalf("URL %s, want another port of 127.0.0.1 than the taken %d", s.URL(), taken)
	}
}

// Servers that start at the same moment all see the port free, and only one of them gets it.
func TestAllWantOnePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	var servers [6]*Server
	var errs [len(servers)]error
	var wg sync.WaitGroup
	for i := range servers {
		dir := t.TempDir()
		wg.Go(func() { servers[i], errs[i] = Start(Options{StoreDir: dir, Port: port}) })
	}
	wg.Wait()
	urls := map[string]bool{}
	for i, s := range servers {
		if errs[i] != nil {
			t.Errorf("server %d: %v", i, errs[i])
			continue
		}
		defer s.Stop()
		urls[s.URL()] = true
	}
	if !t.Failed() && len(urls) != len(servers) {
		t.Errorf("%d servers share %d addresses", len(servers), len(urls))
	}
}

// To find the port taken only when listening is told from every other error, so that Start can take another.
func TestPortTakenMeanwhile(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := Options{StoreDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	_, err = listen(o, l.Addr().(*net.TCPAddr).Port)
	if !isListenError(err) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("error %v, want one that says that the port is taken", err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"":                        "no data directory",
		file:                      "data directory",
		filepath.Join(file, "in"): "data directory",
	} {
		if s, err := Start(Options{StoreDir: dir, Port: -1}); err == nil || !strings.Contains(err.Error(), want) {
			if s != nil {
				s.Stop()
			}
			t.Errorf("in %q: error %v, want one that says %q", dir, err, want)
		}
	}
	// A store that cannot be opened is nats-server's own fatal error; it must come back as an error.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(Options{StoreDir: dir, Port: -1}); err == nil || !strings.Contains(err.Error(), "JetStream") {
		if s != nil {
			s.Stop()
		}
		t.Errorf("store that is a file: error %v, want one that names JetStream", err)
	}
}
