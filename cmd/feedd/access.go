package main

import (
	"context"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/entitlement"
)

// checkAuth takes over what the settings say of tokens, without looking for keys.
func (o *serveOptions) checkAuth() error {
	a := &o.Auth
	o.auth = auth.Config{Issuer: a.Issuer, JWKS: a.JWKS, Audience: a.Audience, Leeway: a.Leeway, DevKey: a.DevKey}
	if a.Anonymous || !o.auth.Tokens() {
		may, err := entitlement.Parse(a.AnonymousMay)
		if err != nil {
			return usagef("%w", o.Setting("auth.anonymous_may").Wrap(err))
		}
		o.auth.Anonymous = may
	}
	if err := o.auth.Validate(); err != nil {
		return usagef("%w", o.Setting("auth.jwks").Wrap(err))
	}
	return nil
}

// asks reports whether clients are asked who they are: where there are no tokens, and everybody may have everything,
// they are not.
func (o *serveOptions) asks() bool {
	return o.auth.Tokens() || o.auth.Anonymous.String() != entitlement.Everything().String()
}

// startAccess opens the keys that tokens are checked with.
func (s *server) startAccess() error {
	if !s.options.asks() {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	v, err := auth.Open(ctx, s.options.auth, s.options.log)
	if err != nil {
		cancel()
		return usagef("cannot check tokens: %w", err)
	}
	s.access = v
	s.started(func() error { cancel(); return nil })
	s.run("access", func(ctx context.Context) error { v.Run(ctx); return nil })
	return nil
}
