package rig

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/feedd/feedd/internal/rig/bystand"
)

// standBy is the plan of a test binary that is to be the process of bystanders; see bystand.Run.
const standBy = "RIG_BYSTANDERS"

// Bystanders are clients of a server in a process of their own, who know when rows reach them. Others may make trouble meanwhile.
type Bystanders struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Scanner
	asks  io.WriteCloser
	log   lockedText
}

// StandBy has clients come, and returns when they are there. They go ahead of other processes where they may.
func StandBy(t testing.TB, plan bystand.Plan) *Bystanders {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	b := &Bystanders{t: t, cmd: exec.Command("/proc/self/exe")}
	b.cmd.Env = append(os.Environ(), standBy+"="+string(text))
	b.cmd.Stderr = &b.log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if b.asks, err = b.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	b.lines = bufio.NewScanner(out)
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	prefer(b.cmd.Process.Pid)
	b.line()
	return b
}

// line waits for the next line.
func (b *Bystanders) line() []byte {
	b.t.Helper()
	within := time.AfterFunc(Within, func() { _ = b.cmd.Process.Kill() })
	defer within.Stop()
	if !b.lines.Scan() {
		b.t.Fatalf("the bystanders have ended: %v\n%s", b.lines.Err(), b.log.String())
	}
	return b.lines.Bytes()
}

// Since returns what they saw since it was called last, or since they came.
func (b *Bystanders) Since() (f bystand.Figures) {
	b.t.Helper()
	if _, err := io.WriteString(b.asks, "\n"); err != nil {
		b.t.Fatalf("the bystanders do not answer: %v\n%s", err, b.log.String())
	}
	if err := json.Unmarshal(b.line(), &f); err != nil {
		b.t.Fatal(err)
	}
	return f
}

// Close has them go.
func (b *Bystanders) Close() {
	if b.asks == nil {
		return
	}
	_ = b.asks.Close()
	b.asks = nil
	within := time.AfterFunc(Within, func() { _ = b.cmd.Process.Kill() })
	defer within.Stop()
	_ = b.cmd.Wait()
}

// beBystanders is the whole life of their process; false: this is not one.
func beBystanders() (was bool, err error) {
	text := os.Getenv(standBy)
	if text == "" {
		return false, nil
	}
	var plan bystand.Plan
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		return true, err
	}
	return true, bystand.Run(plan, os.Stdin, os.Stdout)
}
