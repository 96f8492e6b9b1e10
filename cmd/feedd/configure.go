package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/internal/config"
	"github.com/feedd/feedd/policy"
)

// readConfig reads the defaults, the file, the environment and args for a command that takes nothing but settings.
// Errors are usageErrors, one line for each mistake, or the helpError that the caller passes on.
func readConfig(name, usage string, args []string) (*config.Config, error) {
	c := config.New()
	fs := newFlagSet(name, usage)
	file := fs.String("config", os.Getenv(envName("config")), "`FILE` of settings in YAML: docs/configuration.md tells of all, some of which have no flag")
	fs.Lookup("config").DefValue = ""
	for _, s := range c.Settings() {
		if s.Flag != "" {
			fs.Var(flagOf{s}, s.Flag, s.Doc)
		}
	}
	if err := parseArgs(fs, args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usagef("%s takes no arguments, got %q; a command goes ahead of its flags: feedd %s --flag", name, fs.Arg(0), fs.Arg(0))
	}
	err := c.ReadEnvironment(os.Getenv)
	if *file != "" {
		err = errors.Join(c.ReadFile(*file), err)
	}
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// flagOf is a setting as a flag.
type flagOf struct{ *config.Setting }

func (f flagOf) Set(value string) error { return f.Setting.Set(config.Flag, "--"+f.Flag, value) }

func (f flagOf) IsBoolFlag() bool { return f.Setting != nil && f.Bool() }

// String must work on the zero value, of which the flag package makes one.
func (f flagOf) String() string {
	if f.Setting == nil {
		return ""
	}
	return f.Setting.String()
}

const checkUsage = `
Usage: feedd check [flags]

Reads the configuration as "feedd serve" would with the same flags, and what it refers to, and says what is wrong and
what would be right, a line each. It touches nothing. The exit status is 0 when nothing is wrong, and 2 otherwise.

Examples:
  feedd check --config /etc/feedd.yaml
`

func checkCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := readConfig("check", checkUsage, args)
	if err != nil {
		return err
	}
	o, err := newServeOptions(c, stderr)
	if err := errors.Join(err, checkPolicy(c), o.checkOperators(), o.checkKeys()); err != nil {
		return &usageError{err}
	}
	_, err = fmt.Fprintln(stdout, "the configuration is good")
	return err
}

// checkPolicy judges the file of the throttle policy, where there is one.
func checkPolicy(c *config.Config) error {
	path := c.Policy.File
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c.Setting("policy.file").Wrap(err)
	}
	_, err = policy.Parse(text)
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return err
	}
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s: %s", path, p))
	}
	return errors.Join(all...)
}

// checkOperators judges the file of the operators' tokens, where there is one.
func (o *serveOptions) checkOperators() error {
	if _, err := control.OpenAccess(o.Admin.Tokens, o.log); err != nil {
		return o.Setting("admin.tokens").Wrap(err)
	}
	return nil
}

// checkKeys judges the public keys of the tokens' issuer, where they lie in a file. Those behind a URL are not asked for, and
// a development key is not made.
func (o *serveOptions) checkKeys() error {
	keys := o.auth
	keys.DevKey = ""
	if keys.JWKS == "" || strings.Contains(keys.JWKS, "://") {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if _, err := auth.Open(ctx, keys, o.log); err != nil {
		return o.Setting("auth.jwks").Wrap(err)
	}
	return nil
}

const configUsage = `
Usage: feedd config print [flags]
       feedd config docs

"print" writes the configuration that holds with these flags, and where each value comes from. Secrets are hidden.
"docs" writes docs/configuration.md, which describes every setting.

Examples:
  feedd config print --config /etc/feedd.yaml
`

func configCommand(_ context.Context, args []string, stdout, _ io.Writer) error {
	if len(args) == 0 {
		return usagef(`config needs a word on what to do: "feedd config print" or "feedd config docs"`)
	}
	word, args := args[0], args[1:]
	switch {
	case isHelp(word):
		return &helpError{newFlagSet("config", configUsage)}
	case word == "print":
		c, err := readConfig("config print", configUsage, args)
		if err != nil {
			return err
		}
		return c.Print(stdout)
	case word == "docs":
		fs := newFlagSet("config docs", configUsage)
		if err := parseArgs(fs, args); err != nil {
			return err
		}
		return config.WriteDocs(stdout)
	default:
		return usagef(`unknown word %q: want "feedd config print" or "feedd config docs"`, word)
	}
}

var _ flag.Value = flagOf{}
