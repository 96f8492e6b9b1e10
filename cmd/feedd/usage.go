package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/auth/revoke"
	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/usage"
)

// startUsage begins to count who holds what, and to write it down where there is a place.
func (s *server) startUsage() {
	s.meter = usage.NewMeter(time.Now().UnixMicro())
	if f := s.usageFiles(); f != nil {
		s.run("usage", func(ctx context.Context) error {
			f.Keep(ctx, s.meter, time.Now, s.options.log)
			return nil
		})
	}
}

// usageFiles returns the days that are written down; nil: there is no place for any.
func (s *server) usageFiles() *usage.Files {
	if s.options.dataDir == "" {
		return nil
	}
	return usage.NewFiles(filepath.Join(s.options.dataDir, "usage"))
}

// Usage implements control.Gate.
func (n operated) Usage(date string) (usage.Day, []string, error) {
	if n.meter == nil {
		return usage.Day{}, nil, control.ErrNoTokens
	}
	var dates []string
	f := n.usageFiles()
	if f != nil {
		dates = f.Dates()
	}
	today := n.meter.Today(time.Now().UnixMicro())
	switch {
	case date == "" || date == today.Date:
		return today, dates, nil
	case f == nil:
		return usage.Day{}, nil, fs.ErrNotExist
	}
	day, err := f.Load(date)
	return day, dates, err
}

// Revoke implements control.Gate.
func (n operated) Revoke(ctx context.Context, r control.Revocation, reason string) error {
	if n.access == nil {
		return control.ErrNoTokens
	}
	err := revoke.Send(ctx, n.conn, auth.Revocation{User: r.User, Token: r.Token, Session: r.Session, Reason: reason}, time.Now())
	if err != nil {
		return errors.Join(policy.ErrUnavailable, err)
	}
	return nil
}
