package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// binary is the feedd under test, built with the race detector: a data race anywhere fails the test whose
// server reports it.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "feedd-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "feedd")
	build := exec.Command("go", "build", "-race", "-o", binary, "../cmd/feedd")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building feedd: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// within bounds every wait; it is no measure of speed.
const within = 2 * time.Minute

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

// process is a running feedd.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
	stderr lockedText

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced whenever a line comes
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// command starts feedd with args. It is killed at the end of the test unless it has ended.
func command(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), exited: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 exitcode=66")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stdout)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("feedd %s:\n%s", strings.Join(args, " "), p.stderr.String())
		}
		if p.cmd.ProcessState.ExitCode() == 66 {
			t.Errorf("feedd %s: the race detector speaks", strings.Join(args, " "))
		}
	})
	return p
}

func (p *process) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait()
	close(p.exited)
}

// line waits for a line of stdout that starts with word, and returns what follows it.
func (p *process) line(word string) string {
	p.t.Helper()
	timeout := time.After(within)
	for {
		p.mu.Lock()
		for _, l := range p.lines {
			if rest, ok := strings.CutPrefix(l, word); ok && (rest == "" || rest[0] == ' ') {
				p.mu.Unlock()
				return strings.TrimSpace(rest)
			}
		}
		more := p.more
		p.mu.Unlock()
		select {
		case <-more:
		case <-p.exited:
			p.t.Fatalf("feedd ended before it said %q:\n%s", word, p.stderr.String())
		case <-timeout:
			p.t.Fatalf("feedd never said %q:\n%s", word, p.stderr.String())
		}
	}
}

// wait returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("feedd does not end:\n%s", p.stderr.String())
		return -1
	}
}

// interrupt is Ctrl-C; feedd must stop cleanly.
func (p *process) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		p.t.Fatalf("exit status %d after an interrupt:\n%s", code, p.stderr.String())
	}
}

// kill is the end without warning.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

// serve starts a server on free ports and waits until it is ready.
func serve(t *testing.T, args ...string) *process {
	t.Helper()
	all := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, args...)
	p := command(t, all...)
	p.line("ready")
	return p
}

func (p *process) websocket() string { return p.line("websocket") }

// getJSON asks the public listener for something and decodes the answer.
func (p *process) getJSON(path string, into any) {
	p.t.Helper()
	response, err := http.Get(strings.TrimSuffix(p.line("dashboard"), "/") + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s, %v", path, response.Status, err)
	}
}

// metric reads one number from the admin listener, labels included in name.
func (p *process) metric(name string) string {
	p.t.Helper()
	response, err := http.Get(strings.TrimSuffix(p.line("admin"), "/") + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	p.t.Fatalf("no metric %s", name)
	return ""
}

// dropped returns how often something was dropped for a reason.
func (p *process) dropped(reason string) int {
	p.t.Helper()
	text := p.metric(`feedd_dropped_total{reason="` + reason + `"}`)
	n, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatalf("%s dropped %q times", reason, text)
	}
	return n
}

// dial connects a client that must end without a complaint of its own.
func dial(t *testing.T, url string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(deadline(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// subscribeOnceKnown subscribes to quotes and trades, at once, as soon as the server knows every symbol: ticks
// take a moment from a publisher to it.
func subscribeOnceKnown(t *testing.T, c *client.Client, symbols ...string) {
	t.Helper()
	ctx := deadline(t)
	for {
		reply, err := c.Subscribe(ctx, &feedv1.Subscribe{
			Symbols: symbols, Channels: []string{"quote", "trade"}, CadenceMs: proto.Uint32(0), History: proto.Uint32(1000),
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(reply.Results, func(r *feedv1.SubscribeResult) bool { return r.Handle == 0 }) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("never known: %v", reply.Results)
		}
	}
}

func await(t *testing.T, what string, c *client.Client, fn func(*client.Model) bool) {
	t.Helper()
	if err := c.Await(deadline(t), fn); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// text is all of stdout so far.
func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// next waits for another line.
func (p *process) next() {
	p.t.Helper()
	p.mu.Lock()
	more := p.more
	p.mu.Unlock()
	select {
	case <-more:
	case <-p.exited:
		p.t.Fatalf("feedd ended:\n%s", p.stderr.String())
	case <-time.After(within):
		p.t.Fatalf("feedd says no more:\n%s", p.text())
	}
}
