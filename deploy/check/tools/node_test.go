package tools

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/feedd/feedd/internal/client"
)

// node is a running feedd.
type node struct {
	cmd           *exec.Cmd
	public, admin string // HOST:PORT
	log           text
	exited        chan struct{}
}

// text grows from one goroutine and is read by others.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// startNode starts feedd as the samples do: with the user "feedd" and a password from a file. It returns when it is ready.
func startNode(t *testing.T, natsURL string, env ...string) *node {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("pass-of-feedd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{cmd: exec.Command(feedd(t), "serve"), exited: make(chan struct{})}
	n.cmd.Env = append(append(os.Environ(),
		"FEEDD_NATS_URL="+strings.Replace(natsURL, "nats://", "nats://feedd:${file:"+password+"}@", 1),
		"FEEDD_LISTEN=127.0.0.1:0", "FEEDD_ADMIN_LISTEN=127.0.0.1:0", "FEEDD_DATA_DIR="+t.TempDir(), "FEEDD_LOG_LEVEL=debug", "FEEDD_SIM=off"), env...)
	n.cmd.Stderr = &n.log
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Kill()
		<-n.exited
		if t.Failed() {
			t.Logf("feedd:\n%s", n.log.String())
		}
	})
	ready := make(chan bool, 1)
	go func() {
		defer close(n.exited)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			name, place, _ := strings.Cut(lines.Text(), " ")
			place = strings.TrimSpace(place)
			switch name {
			case "websocket":
				n.public = strings.TrimSuffix(strings.TrimPrefix(place, "ws://"), "/v1/ws")
			case "admin":
				n.admin = strings.Trim(strings.TrimPrefix(place, "http://"), "/")
			case "ready":
				ready <- true
			}
		}
		_ = n.cmd.Wait()
	}()
	select {
	case <-ready:
	case <-n.exited:
		t.Fatalf("feedd ended:\n%s", n.log.String())
	case <-deadline(t).Done():
		t.Fatalf("feedd is never ready:\n%s", n.log.String())
	}
	return n
}

// end is SIGTERM; it returns the exit status.
func (n *node) end(t *testing.T) int {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-n.exited:
	case <-deadline(t).Done():
		t.Fatal("feedd does not end")
	}
	return n.cmd.ProcessState.ExitCode()
}

func (n *node) dial(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(deadline(t), "ws://"+n.public+"/v1/ws", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// metric returns the value of a series, or "".
func (n *node) metric(t *testing.T, series string) string {
	t.Helper()
	answer, err := http.Get("http://" + n.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return value
		}
	}
	return ""
}

// post writes to the admin API.
func (n *node) post(t *testing.T, path, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(deadline(t), http.MethodPost, "http://"+n.admin+path+"?reason=test", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode/100 != 2 {
		t.Fatalf("%s: %s %s", path, answer.Status, text)
	}
}
