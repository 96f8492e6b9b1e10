package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/policy/live"
)

// policyWithin is how long the start waits for the policy of a bucket. Beyond it the last good copy holds.
const policyWithin = 2 * time.Second

// startPolicy puts a policy in force, and follows its source.
func (s *server) startPolicy() error {
	dir := ""
	if s.options.dataDir != "" {
		dir = filepath.Join(s.options.dataDir, "policy")
	}
	var source live.Source = live.NewBucket(s.conn, s.options.Policy.Bucket, s.options.log)
	if path := s.options.Policy.File; path != "" {
		file := live.NewFile(path, dir)
		source = file
		s.run("policy file", func(ctx context.Context) error { rereadOnHangup(ctx, file.Reload); return nil })
	}
	s.policy = live.New(live.Options{
		Source: source, Dir: dir, Node: s.nodeName(), Server: "feedd " + build.Version(), Clock: time.Now, Log: s.options.log,
		Sessions: func() int { return s.engine.Census().Subscribers },
	})
	s.run("policy", func(ctx context.Context) error { s.policy.Run(ctx); return nil })
	ctx, cancel := context.WithTimeout(context.Background(), policyWithin)
	defer cancel()
	s.policy.Heard(ctx)
	if st := s.policy.Status(); st.Refused != nil && st.Version.Kind == policy.BuiltIn {
		return usagef("the policy in %s is refused, and there is no earlier one:\n%w", st.Place, st.Refused.Problems)
	}
	return nil
}

// nodeName is what other nodes and operators call this one.
func (s *server) nodeName() string {
	if name := s.options.Admin.Node; name != "" {
		return name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(s.public.Addr().String()) // that of a listener has one
	return host + ":" + port
}

// rereadOnHangup calls reload with each SIGHUP, until ctx ends.
func rereadOnHangup(ctx context.Context, reload func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			reload()
		case <-ctx.Done():
			return
		}
	}
}
