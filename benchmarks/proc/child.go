package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Child is a process that a benchmark started. Its methods belong to one goroutine.
type Child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser

	lines   chan string   // standard output, line by line; closed at its end
	discard chan struct{} // closed: what comes on standard output is thrown away
	once    sync.Once

	ended chan struct{} // closed when the process has ended and everything was read
	err   error         // how it ended; valid once ended is closed
}

// maxLine bounds a reply: histograms and the last quotes of some thousand instruments fit.
const maxLine = 8 << 20

// Start runs path with args on the cores given (nil: any). What it writes to standard error goes to
// stderr, which several processes may write to at once. The process is killed when this one dies, however that happens.
func Start(name string, cores []int, stderr io.Writer, path string, args ...string) (*Child, error) {
	cmd := exec.Command(path, args...) //nolint:noctx // Stop ends it in its turn, and the kernel when this process dies
	cmd.Stderr = stderr
	// A group of its own: Ctrl-C in a terminal reaches only the orchestrator, which ends its children in
	// order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := startOn(cores, cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &Child{
		name: name, cmd: cmd, stdin: stdin,
		lines: make(chan string, 64), discard: make(chan struct{}), ended: make(chan struct{}),
	}
	go c.run(stdout)
	return c, nil
}

// StartRole starts this executable again as role.
func StartRole(role string, cores []int, stderr io.Writer) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return Start(role, cores, stderr, self, role)
}

// run passes on standard output and then waits for the end of the process. It is the child's one
// goroutine; Stop waits for it.
func (c *Child) run(stdout io.Reader) {
	defer close(c.ended)
	sc := bufio.NewScanner(stdout)
	sc.Buffer(make([]byte, 0, 64<<10), maxLine)
	for sc.Scan() {
		select {
		case <-c.discard:
		default:
			select {
			case c.lines <- sc.Text():
			case <-c.discard:
			}
		}
	}
	// A line beyond the bound would leave the child blocked on a full pipe.
	_, _ = io.Copy(io.Discard, stdout)
	close(c.lines)
	c.err = c.cmd.Wait()
	if c.err == nil && sc.Err() != nil {
		c.err = sc.Err()
	}
}

// Name is what the process was started as.
func (c *Child) Name() string { return c.name }

// Pid is the number of the process.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// ReadLine returns the next line of the child's standard output.
func (c *Child) ReadLine(ctx context.Context) (string, error) {
	select {
	case line, ok := <-c.lines:
		if !ok {
			<-c.ended
			return "", fmt.Errorf("%s ended: %w", c.name, errors.Join(errEnded, c.err))
		}
		return line, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for %s: %w", c.name, context.Cause(ctx))
	}
}

var errEnded = errors.New("no more output")

// Discard throws away what the child writes to standard output from now on.
func (c *Child) Discard() { c.once.Do(func() { close(c.discard) }) }

// Ended is closed when the process has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Ask sends a request to a child that runs Serve and decodes the answer into reply, which may be nil.
func (c *Child) Ask(ctx context.Context, do string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask %s to %s: %w", c.name, do, err)
	}
	line, err := json.Marshal(message{Do: do, Body: body})
	if err != nil {
		return fmt.Errorf("ask %s to %s: %w", c.name, do, err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ask %s to %s: %w", c.name, do, err)
	}
	text, err := c.ReadLine(ctx)
	if err != nil {
		return fmt.Errorf("ask to %s: %w", do, err)
	}
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return fmt.Errorf("ask %s to %s: answer %.80q: %w", c.name, do, text, err)
	}
	if a.Error != "" {
		return fmt.Errorf("%s: %s", c.name, a.Error)
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(a.Body, reply); err != nil {
		return fmt.Errorf("ask %s to %s: %w", c.name, do, err)
	}
	return nil
}

// Stop ends the process: end of input and SIGTERM, and SIGKILL when it is still there after grace. It
// returns when the process is gone.
func (c *Child) Stop(grace time.Duration) {
	c.Discard()
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

// Kill ends the process as a failing machine would, and returns when it is gone.
func (c *Child) Kill() {
	c.Discard()
	_ = c.stdin.Close()
	_ = c.cmd.Process.Kill()
	<-c.ended
}
