package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/feedd/feedd/internal/config"
	"github.com/feedd/feedd/internal/spelling"
)

// usageError is a mistake of the caller: a bad flag, environment value or argument. It ends the command
// with exit status 2, so its text names what was wrong and what would be right.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// helpError is what parseFlags returns for -h and --help. Main prints the usage on stdout and ends
// with exit status 0.
type helpError struct{ flags *flag.FlagSet }

func (*helpError) Error() string { return "help requested" }

// parseFlags sets fs from the environment and then from args, so that the command line wins. The flag
// nats-url is FEEDD_NATS_URL in the environment; an empty variable counts as none. Errors are
// usageErrors, or the helpError that the caller passes on. fs.Usage must write to fs.Output().
func parseFlags(fs *flag.FlagSet, args []string) error {
	bad := parseEnv(fs)
	err := parseArgs(fs, args)
	var help *helpError
	if bad != nil && !errors.As(err, &help) {
		return bad
	}
	return err
}

// parseEnv sets fs from the environment. The error is that of the first bad variable.
func parseEnv(fs *flag.FlagSet) (bad error) {
	fs.VisitAll(func(f *flag.Flag) {
		value := os.Getenv(envName(f.Name))
		if value == "" || bad != nil {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			bad = usagef("bad value %q in %s: %w", config.Redact(value), envName(f.Name), explain(f, err))
		}
	})
	return bad
}

// parseArgs sets fs from args alone.
func parseArgs(fs *flag.FlagSet, args []string) error {
	fs.SetOutput(io.Discard) // the flag package prints its errors; Main prints ours, once
	usage := fs.Usage
	fs.Usage = func() {}
	defer func() { fs.Usage = usage }()
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return &helpError{fs}
	case err != nil:
		return flagError(fs, args, err)
	}
	return nil
}

// envName is the environment variable of a flag.
func envName(name string) string {
	return "FEEDD_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// flagError says what is wrong with the first flag of args that fs does not take. The flag package only
// gives a text, so the mistake is looked for again.
func flagError(fs *flag.FlagSet, args []string, err error) error {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" || !strings.HasPrefix(arg, "-") || arg == "-" {
			break
		}
		name, value, inline := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		f := fs.Lookup(name)
		if f == nil {
			return unknownFlag(fs, name)
		}
		if !inline && !isBool(f) {
			if i++; i == len(args) {
				return usagef("flag --%s needs a value: %s", name, f.Usage)
			}
			value = args[i]
		}
		if !inline && isBool(f) {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			return usagef("bad value %q for --%s: %w", config.Redact(value), name, explain(f, err))
		}
	}
	return &usageError{err}
}

func unknownFlag(fs *flag.FlagSet, name string) error {
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := spelling.Nearest(name, names); near != "" {
		return usagef("unknown flag --%s: did you mean --%s? \"feedd help %s\" lists all", name, near, fs.Name())
	}
	return usagef("unknown flag --%s: \"feedd help %s\" lists those there are", name, fs.Name())
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// explain replaces the flag package's bare "parse error" with what would be right. Flags that check
// their own values bring words of their own, which stay.
func explain(f *flag.Flag, err error) error {
	want := map[string]string{
		"*flag.intValue": "a whole number", "*flag.int64Value": "a whole number",
		"*flag.uintValue": "a whole number of 0 or more", "*flag.uint64Value": "a whole number of 0 or more",
		"*flag.float64Value": "a number", "*flag.boolValue": "true or false",
		"*flag.durationValue": "a duration such as 250ms, 2s or 1m",
	}[fmt.Sprintf("%T", f.Value)]
	if want == "" {
		return err
	}
	return errors.New("want " + want)
}

// ignoredEnv are variables that start with FEEDD_ and belong to no setting, with whom they belong to.
var ignoredEnv = []struct{ prefix, owner string }{
	{"FEEDD_TICKS", "the tests: where the recordings are"},
	{"FEEDD_BIN", "the tests: which binary to start"},
	{"FEEDD_SERVICE_", "Kubernetes, for a service called feedd"},
	{"FEEDD_PORT", "Kubernetes, for a service called feedd"},
}

// unknownEnv returns a warning for each FEEDD_ variable in environ that is not known.
func unknownEnv(environ []string, known []string) (warnings []string) {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "FEEDD_") || slices.Contains(known, name) {
			continue
		}
		if slices.ContainsFunc(ignoredEnv, func(i struct{ prefix, owner string }) bool {
			return strings.HasPrefix(name, i.prefix)
		}) {
			continue
		}
		w := "environment variable " + name + " matches no setting and is ignored"
		if near := spelling.Nearest(name, known); near != "" {
			w += "; did you mean " + near + "?"
		}
		warnings = append(warnings, w)
	}
	slices.Sort(warnings)
	return warnings
}

// writeFlags lists the flags of fs, two lines each, for use in a usage text.
func writeFlags(w io.Writer, fs *flag.FlagSet) {
	var all []*flag.Flag
	fs.VisitAll(func(f *flag.Flag) { all = append(all, f) })
	slices.SortFunc(all, func(a, b *flag.Flag) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range all {
		placeholder, text := flag.UnquoteUsage(f)
		if placeholder != "" {
			placeholder = " " + placeholder
		}
		fmt.Fprintf(w, "  --%s%s\n        %s", f.Name, placeholder, text)
		if f.DefValue != "" && f.DefValue != "false" {
			fmt.Fprintf(w, " (default %s)", f.DefValue)
		}
		fmt.Fprintf(w, " [%s]\n", envName(f.Name))
	}
}

// newFlagSet makes the flag set of a command with a usage text that teaches: how to call it, what it
// does and examples; the flags, when there are any, follow by themselves.
func newFlagSet(name, text string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.Usage = func() {
		w := fs.Output()
		fmt.Fprint(w, strings.TrimLeft(text, "\n"))
		some := false
		fs.VisitAll(func(*flag.Flag) { some = true })
		if some {
			fmt.Fprint(w, "\nFlags, each also as the environment variable in brackets:\n")
			writeFlags(w, fs)
		}
	}
	return fs
}
