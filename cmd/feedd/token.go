package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/entitlement"
)

const tokenUsage = `
Usage: feedd token --key FILE --user NAME [flags]

Prints a token that a server with --auth-dev-key FILE takes. The key is made where there is none. --may says what its
user may have; without it that is nothing. Give it to a client as it is, or to the server's own page behind #token=.

Examples:
  feedd token --key dev.key --user ada --may '*'                        everything, for an hour
  feedd token --key dev.key --user ada --may 'sim:* quote,trade' --may 'test:* quote delayed' --for 24h
  FEEDD_TOKEN="$(feedd token --key dev.key --user ada --may '*')" feedd watch 'sim:*'
`

func tokenCommand(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlagSet("token", tokenUsage)
	var w auth.Wish
	var may repeated
	key := fs.String("key", "", "`FILE` of the development key")
	fs.StringVar(&w.User, "user", "", "`NAME` of the token's user (sub)")
	fs.StringVar(&w.Tier, "tier", "", "`NAME` of the plan that the user is on")
	fs.StringVar(&w.ID, "id", "", "`ID` of the token (jti), by which it can be revoked; empty takes a random one")
	fs.StringVar(&w.Audience, "audience", auth.DefaultAudience, "`AUDIENCE` of the token (aud)")
	fs.DurationVar(&w.For, "for", time.Hour, "`DURATION` for which it is good")
	fs.Var(&may, "may", "`RULE` of what the user may have: PATTERN [CHANNEL,...] [depth=N] [delayed]; may be repeated")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return usagef("token takes no arguments, got %q", fs.Arg(0))
	case *key == "":
		return usagef("token needs a key: --key FILE, as in feedd serve --auth-dev-key FILE")
	case w.User == "":
		return usagef("token needs a user: --user NAME")
	case w.For <= 0:
		return usagef("bad value %v for --for: want a duration such as 1h", w.For)
	}
	if _, err := entitlement.Parse(may); err != nil {
		return usagef("bad value for --may: %w", err)
	}
	w.May = may
	k, err := auth.OpenDevKey(*key)
	if err != nil {
		return usagef("cannot use the key: %w", err)
	}
	token, err := k.Token(w, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

// repeated is a flag that may be given more than once.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, "; ") }

func (r *repeated) Set(value string) error {
	*r = append(*r, value)
	return nil
}
