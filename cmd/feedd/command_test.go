package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs feedd in this process with an environment that holds nothing of the developer's.
func run(t *testing.T, ctx context.Context, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	var out, errs bytes.Buffer
	status = Main(ctx, args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestHelpTeaches(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		status, out, _ := run(t, t.Context(), args...)
		if status != exitOK || !strings.Contains(out, "Examples:") || !strings.Contains(out, "replay") {
			t.Errorf("feedd %v: status %d\n%s", args, status, out)
		}
	}
	for _, c := range commands() {
		for _, args := range [][]string{{"help", c.name}, {c.name, "--help"}} {
			status, out, errs := run(t, t.Context(), args...)
			if status != exitOK || !strings.HasPrefix(out, "Usage: feedd ") || errs != "" {
				t.Errorf("feedd %v: status %d\n%s%s", args, status, out, errs)
			}
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"srve"}, `unknown command "srve": did you mean "serve"?`},
		{[]string{"xyzzyxyzzy"}, `unknown command "xyzzyxyzzy": "feedd help" lists those there are`},
		{[]string{"help", "srve"}, `unknown command "srve"`},
		{[]string{"version", "please"}, `version takes no arguments, got "please"`},
		{[]string{"--sim", "off", "watch"}, "a command goes ahead of its flags: feedd watch --flag"},
		{[]string{"--listen", "8080"}, `bad value "8080" for --listen: want HOST:PORT`},
		{[]string{"--listen", port}, "cannot listen on " + port + ": the port is in use by another process; choose another with --listen"},
		{[]string{"--listen", "127.0.0.1:0", "--admin-listen", port}, "choose another with --admin-listen"},
		{[]string{"--listen", "256.0.0.1:1", "--anonymous"}, "cannot listen on 256.0.0.1:1"},
		{[]string{"--nats-url", "http://localhost"}, `bad value "http://localhost" for --nats-url: want nats://HOST:PORT`},
		{[]string{"--sim", "perhaps"}, `bad value "perhaps" for --sim: want one of on, off, auto`},
		{[]string{"--sim-rate", "0"}, `bad value "0" for --sim-rate: want 1 or more`},
		{[]string{"--sim-rate", "1000000000"}, "see --sim-instruments and --sim-rate"},
		{[]string{"--config", "/nowhere/feedd.yaml"}, "/nowhere/feedd.yaml: no such file"},
		{[]string{"config"}, `config needs a word on what to do`},
		{[]string{"config", "prnt"}, `unknown word "prnt": want "feedd config print"`},
		{[]string{"check", "--lists", "/nowhere/lists.yaml"}, "cannot use the lists of --lists: open /nowhere/lists.yaml"},
		{[]string{"--log-level", "loud"}, `bad value "loud" for --log-level: want one of debug, info, warn, error`},
		{[]string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", "/dev/null"}, "see --data-dir and --nats-url"},
		{[]string{"watch"}, "watch needs a SYMBOL"},
		{[]string{"watch", "BTC"}, `symbol "BTC": want venue:NAME`},
		{[]string{"watch", "--channels", "quote,cheese", "test:FAKE"}, `bad channel "cheese" in --channels: want quote, trade, book, bar, stats or status`},
		{[]string{"watch", "--depth", "7", "test:FAKE"}, `bad value 7 for --depth: want 1, 5, 10`},
		{[]string{"watch", "--bar", "2m", "test:FAKE"}, `bad value 2m0s for --bar: want 1s, 1m`},
		{[]string{"watch", "--url", "http://localhost", "test:FAKE"}, `bad value "http://localhost" for --url: want ws://`},
		{[]string{"watch", "--cadence", "-1s", "test:FAKE"}, "bad value -1s for --cadence"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			status, out, errs := run(t, t.Context(), c.args...)
			if status != exitUsage || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 || out != "" {
				t.Errorf("status %d, stdout %q, stderr\n%s\nwant status 2 and one line with\n%s", status, out, errs, c.want)
			}
		})
	}
}

func TestFailureIsNoMistake(t *testing.T) {
	status, _, errs := run(t, t.Context(), "watch", "--url", "ws://127.0.0.1:1/v1/ws", "test:FAKE")
	if status != exitFailed || !strings.Contains(errs, "is feedd running there?") {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestUnknownVariableIsAWarning(t *testing.T) {
	t.Setenv("FEEDD_LISTNE", "x")
	t.Setenv("FEEDD_SPEED", "2") // of replay: nothing to warn of
	status, out, errs := run(t, t.Context(), "version")
	if status != exitOK || !strings.HasPrefix(out, "feedd ") || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "FEEDD_LISTNE") {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
	}
}

// Interrupted before or while it boots, feedd ends cleanly all the same.
func TestInterruptWhileBooting(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	status, _, errs := run(t, ctx, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "error")
	if status != exitOK || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
}
