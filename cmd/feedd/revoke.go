package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/auth/revoke"
	"github.com/feedd/feedd/session"
)

const revokeUsage = `
Usage: feedd revoke [flags]

Shuts a user, a token or a session out, on all nodes at once: connections close, and tokens made up to now are no good any
more. A user who signs in again gets in.

Examples:
  feedd revoke --user ada --reason 'contract ended'
  feedd revoke --token 5f0c                            one token, by its id (jti)
  feedd revoke --session K5QXEZLFMV3GS2LO              one connection; its token stays good
`

func revokeCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r auth.Revocation
	fs := newFlagSet("revoke", revokeUsage)
	url := fs.String("nats-url", nats.DefaultURL, "`URL` of the NATS that the nodes are on")
	fs.StringVar(&r.User, "user", "", "`NAME` of a user (sub)")
	fs.StringVar(&r.Token, "token", "", "`ID` of a token (jti)")
	fs.StringVar(&r.Session, "session", "", "`NAME` of a session, as in its welcome")
	fs.StringVar(&r.Reason, "reason", "", "`TEXT` that its clients are told")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("revoke takes no arguments, got %q: name a --user, a --token or a --session", fs.Arg(0))
	}
	nc, err := dialPublisher(*url, "feedd revoke", stderr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := revoke.Send(ctx, nc, r, time.Now()); err != nil {
		if errors.Is(err, revoke.ErrNotKept) {
			return err
		}
		return usagef("%w", err)
	}
	_, err = fmt.Fprintln(stdout, "all nodes were told")
	return err
}

// followRevocations has what is revoked anywhere be so here, until ctx ends.
func (s *server) followRevocations(ctx context.Context) error {
	return revoke.Follow(ctx, s.conn, shutter{s}, s.options.log)
}

// shutter shuts out who is revoked.
type shutter struct{ *server }

// Revoked implements revoke.Follower. It notes the revocation first: who comes in meanwhile finds it.
func (s shutter) Revoked(r auth.Revocation) {
	if s.access.Revocations().Add(r) {
		s.options.log.Error("there are more revocations than can be kept: the one that would have been forgotten first is void", "most", auth.MaxRevocations)
	}
	reason := r.Reason
	if reason == "" {
		reason = "shut out by the operator"
	}
	s.eachSession(func(x *session.Session) {
		if r.Concerns(x.Identity(), x.ID()) {
			x.Revoke(reason)
		}
	})
}

// Known implements revoke.Follower.
func (s shutter) Known() {
	s.access.Revocations().Forget(time.Now().UnixMicro())
	s.access.Revocations().Known()
}
