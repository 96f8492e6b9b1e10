package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Within bounds every wait; it is no measure of speed.
const Within = 2 * time.Minute

// Deadline is a context that ends then, or with the test.
func Deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Within)
	t.Cleanup(cancel)
	return ctx
}

// Eventually waits until ok.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for ctx := Deadline(t); !ok(); {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waiting for %s: it never came", what)
		}
	}
}

// raceFound is the exit status of a feedd whose race detector has something to say.
const raceFound = 66

// Process is a running feedd. Its methods fail the test where the process does not do as it should.
type Process struct {
	t      testing.TB
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

// Feedd starts feedd with args. It is killed at the end of the test unless it has ended.
func Feedd(t testing.TB, args ...string) *Process {
	t.Helper()
	return start(t, exec.Command(Binary(t), args...))
}

func start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, exited: make(chan struct{}), more: make(chan struct{})}
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1 exitcode="+strconv.Itoa(raceFound))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stdout)
	t.Cleanup(func() {
		p.Thaw()
		_ = cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s:\n%s", strings.Join(cmd.Args, " "), p.stderr.String())
		}
		if cmd.ProcessState.ExitCode() == raceFound {
			t.Errorf("%s: the race detector speaks", strings.Join(cmd.Args, " "))
		}
	})
	return p
}

// Serve starts a server on free ports and waits until it is ready.
func Serve(t testing.TB, args ...string) *Process {
	t.Helper()
	p := Feedd(t, serving(t, args)...)
	p.Line("ready")
	return p
}

// Under is Serve with feedd run by another program, such as prlimit, which takes options ahead of the command that it runs.
func Under(t testing.TB, program string, options []string, args ...string) *Process {
	t.Helper()
	command := append(append(options, Binary(t)), serving(t, args)...)
	p := start(t, exec.Command(program, command...))
	p.Line("ready")
	return p
}

func serving(t testing.TB, args []string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, args...)
}

func (p *Process) read(stdout io.Reader) {
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

// Line waits for a line of stdout that starts with word, and returns what follows it.
func (p *Process) Line(word string) string {
	p.t.Helper()
	line := p.await(word, func(line string) bool {
		rest, ok := strings.CutPrefix(line, word)
		return ok && (rest == "" || rest[0] == ' ')
	})
	return strings.TrimSpace(strings.TrimPrefix(line, word))
}

// await waits for a line of stdout that is told apart by is, and returns it.
func (p *Process) await(what string, is func(line string) bool) string {
	p.t.Helper()
	timeout := time.After(Within)
	for over := false; ; {
		p.mu.Lock()
		for _, l := range p.lines {
			if is(l) {
				p.mu.Unlock()
				return l
			}
		}
		more := p.more // taken with the lines: what comes after this look closes it
		p.mu.Unlock()
		if over {
			p.t.Fatalf("feedd ended before it said %q:\n%s", what, p.stderr.String())
		}
		select {
		case <-more:
		case <-p.exited:
			over = true // its last lines may have come since the look
		case <-timeout:
			p.t.Fatalf("feedd never said %q:\n%s", what, p.stderr.String())
		}
	}
}

// Text is all of stdout so far.
func (p *Process) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Says waits until stdout has a line with text in it.
func (p *Process) Says(text string) {
	p.t.Helper()
	p.await(text, func(line string) bool { return strings.Contains(line, text) })
}

// Stderr is the log so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait returns the exit status.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(Within):
		p.t.Fatalf("feedd does not end:\n%s", p.stderr.String())
		return -1
	}
}

// Interrupt is Ctrl-C; feedd must stop cleanly.
func (p *Process) Interrupt() {
	p.t.Helper()
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != 0 {
		p.t.Fatalf("exit status %d after an interrupt:\n%s", code, p.stderr.String())
	}
}

// Kill is the end without warning.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	p.Wait()
}

// Freeze stops the process where it is; Thaw has it go on.
func (p *Process) Freeze() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw has a frozen process go on. Of any other nothing changes.
func (p *Process) Thaw() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }

// WebSocket is where clients connect.
func (p *Process) WebSocket() string { return p.Line("websocket") }

// Dashboard is where the page is, without a slash at its end.
func (p *Process) Dashboard() string { return strings.TrimSuffix(p.Line("dashboard"), "/") }

// Admin is where operators ask, without a slash at its end.
func (p *Process) Admin() string { return strings.TrimSuffix(p.Line("admin"), "/") }

// GetJSON asks the public listener for something and decodes the answer.
func (p *Process) GetJSON(path string, into any) {
	p.t.Helper()
	response, err := http.Get(p.Dashboard() + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s, %v", path, response.Status, err)
	}
}

// Metric reads one number from the admin listener, labels included in name.
func (p *Process) Metric(name string) string {
	p.t.Helper()
	response, err := http.Get(p.Admin() + "/metrics")
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

// Number is a metric as a number.
func (p *Process) Number(name string) float64 {
	p.t.Helper()
	text := p.Metric(name)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.t.Fatalf("%s is %q", name, text)
	}
	return n
}

// Dropped returns how often something was dropped for a reason.
func (p *Process) Dropped(reason string) int {
	p.t.Helper()
	return int(p.Number(`feedd_dropped_total{reason="` + reason + `"}`))
}

// Eventually waits until the server has dropped that much for a reason: what is missing is counted once nobody brings it.
func (p *Process) Eventually(reason string, want int) {
	p.t.Helper()
	ctx := Deadline(p.t)
	for {
		got := p.Dropped(reason)
		if got == want {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		if got > want || ctx.Err() != nil {
			p.t.Fatalf("%s counted %d times, want %d", reason, got, want)
		}
	}
}

// AtLeast waits until the server has dropped that much for a reason, or more.
func (p *Process) AtLeast(reason string, want int) {
	p.t.Helper()
	for ctx := Deadline(p.t); p.Dropped(reason) < want; {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("%s counted %d times, want %d", reason, p.Dropped(reason), want)
		}
	}
}
