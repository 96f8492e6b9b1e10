package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/config"
	"github.com/feedd/feedd/internal/spelling"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // a second signal, as shells say it
)

// command is one word behind feedd. run returns when the command is done or ctx is; its first act is to
// parse its flags.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "take ticks from NATS and serve dashboards and clients (the default)", serveCommand},
		{"sim", "publish a simulated market to NATS", simCommand},
		{"replay", "publish recorded market data to NATS with its original pacing", replayCommand},
		{"policy", "show and change who gets what, how fast, while the market runs", policyCommand},
		{"nodes", "list the nodes on one NATS, and how they fare", nodesCommand},
		{"revoke", "shut a user, a token or a session out on all nodes", revokeCommand},
		{"token", "make a token for development and tests", tokenCommand},
		{"watch", "show live prices in the terminal", watchCommand},
		{"healthcheck", "ask a node on this machine how it is: exit status 0 when it is well", healthCommand},
		{"check", "say what is wrong with the configuration, and what would be right", checkCommand},
		{"config", "show the configuration that holds, or describe all of it", configCommand},
		{"version", "print the version", versionCommand},
	}
}

// Main runs feedd with args, which do not hold the program's name, and returns the exit status. It
// returns soon after ctx has ended. Each thing that went wrong is one line on stderr.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	var help *helpError
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &help):
		help.flags.SetOutput(stdout)
		help.flags.Usage()
		return exitOK
	case errors.As(err, &usage):
		complain(stderr, err)
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitOK
	default:
		complain(stderr, err)
		return exitFailed
	}
}

// complain prints an error, which may be several, one line each.
func complain(stderr io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "feedd:", line)
	}
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	all := commands()
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	} else if len(args) > 0 && isHelp(args[0]) {
		writeHelp(stdout, all)
		return nil
	}
	if name == "help" {
		return helpCommand(ctx, args, all, stdout)
	}
	cmd, err := findCommand(all, name)
	if err != nil {
		return err
	}
	for _, w := range unknownEnv(os.Environ(), allEnv(ctx, all)) {
		fmt.Fprintln(stderr, "feedd: warning:", w)
	}
	return cmd.run(ctx, args, stdout, stderr)
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }

func findCommand(all []command, name string) (command, error) {
	names := []string{"help"}
	for _, c := range all {
		if c.name == name {
			return c, nil
		}
		names = append(names, c.name)
	}
	if near := spelling.Nearest(name, names); near != "" {
		return command{}, usagef("unknown command %q: did you mean %q? \"feedd help\" lists all", name, near)
	}
	return command{}, usagef("unknown command %q: \"feedd help\" lists those there are", name)
}

// allEnv collects the environment variables of all settings and, by asking each for its help, of every command: a
// variable that is meant for another command deserves no warning.
func allEnv(ctx context.Context, all []command) (names []string) {
	for _, s := range config.New().Settings() {
		names = append(names, s.Env)
	}
	for _, c := range all {
		var help *helpError
		if errors.As(c.run(ctx, []string{"--help"}, io.Discard, io.Discard), &help) {
			help.flags.VisitAll(func(f *flag.Flag) { names = append(names, envName(f.Name)) })
		}
	}
	return names
}

func helpCommand(ctx context.Context, args []string, all []command, stdout io.Writer) error {
	if len(args) == 0 {
		writeHelp(stdout, all)
		return nil
	}
	cmd, err := findCommand(all, args[0])
	if err != nil {
		return err
	}
	return cmd.run(ctx, []string{"--help"}, stdout, io.Discard)
}

const helpHead = `feedd pushes exchange ticks from NATS to trading dashboards over WebSocket.

Examples:
  feedd                                    serve a simulated market on http://127.0.0.1:8080/
  feedd --nats-url nats://10.0.0.5:4222    serve what is published on a NATS of your own
  feedd watch 'sim:*'                      the same prices in the terminal
  feedd replay --speed 10 FILE...          publish recordings, ten times as fast as they were

Commands:
`

func writeHelp(w io.Writer, all []command) {
	fmt.Fprint(w, helpHead)
	for _, c := range all {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n\"feedd help COMMAND\" tells more of each. Without a command, feedd serves.\n")
}

func versionCommand(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlagSet("version", `
Usage: feedd version

Prints the version.
`)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("version takes no arguments, got %q", fs.Arg(0))
	}
	_, err := fmt.Fprintln(stdout, "feedd", build.Version())
	return err
}
