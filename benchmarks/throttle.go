package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/policy"
	ladder "github.com/feedd/feedd/throttle"
)

// throttler changes the cadence of all sessions while the market runs. All sessions look for a grant when it is called.
type throttler struct {
	name   string
	change func(ctx context.Context, t *trial, cadence time.Duration) error
}

// bySessions has every session ask for itself, at once.
var bySessions = throttler{"set_rate of each session", func(ctx context.Context, t *trial, cadence time.Duration) error {
	return t.clients.Ask(ctx, load.SetRate, uint32(cadence/time.Millisecond), nil)
}}

// byPolicy has an operator change the policy once, for everybody.
var byPolicy = throttler{"one change of the policy", func(_ context.Context, t *trial, cadence time.Duration) error {
	if err := t.writePolicy(cadence); err != nil {
		return err
	}
	return syscall.Kill(t.subject.child.Pid(), syscall.SIGHUP)
}}

func (r *run) policyFile() string { return filepath.Join(r.dir, "policy.yaml") }

// writePolicy writes a policy under which nobody is sent more often than every cadence; the run's own is no limit.
func (r *run) writePolicy(cadence time.Duration) error {
	text := policy.BuiltInText
	if cadence != r.Cadence {
		text = "tiers: {default: {fastest: " + cadence.String() + "}}\n"
	}
	return os.WriteFile(r.policyFile(), []byte(text), 0o600)
}

// slower is by how much the scenario throttles everybody, before it lets them go as before.
const slower = 4

// throttle measures how long another cadence takes to reach all sessions, and what it costs.
func throttle(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	if err := r.writePolicy(r.Cadence); err != nil {
		return nil, err
	}
	s, err := r.openFeedd(ctx, "--policy", r.policyFile())
	if err != nil {
		return nil, err
	}
	if err := r.alone(ctx, s); err != nil {
		return nil, err
	}
	t, err := r.join(ctx, s, r.group())
	if err != nil {
		return nil, err
	}
	m, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	f := &report.Throttled{Sessions: r.Sessions}
	slow, _ := ladder.Round(slower * r.Cadence)
	for _, by := range []throttler{bySessions, byPolicy} {
		for _, to := range []time.Duration{slow.Interval(), r.Cadence} {
			change, err := t.throttle(ctx, m, by, to)
			if err != nil {
				return nil, err
			}
			f.Changes = append(f.Changes, change)
			f.AllTold = max(f.AllTold, float64(change.Told.Max)/1e6)
		}
	}
	if err := t.finish(ctx, m); err != nil {
		return nil, err
	}
	f.QuotesCompared = m.compared
	result := r.result(started)
	result.Throttled = f
	result.Problems = append(result.Problems, m.problems...)
	result.Warnings = append(result.Warnings, blur(m.windows)...)
	result.Judge()
	return result, nil
}

// throttle makes one change and looks at what comes behind it.
func (t *trial) throttle(ctx context.Context, m *loaded, by throttler, to time.Duration) (report.Change, error) {
	c := report.Change{By: by.name, FromMS: t.cfg.Groups[0].CadenceMS, ToMS: uint32(to / time.Millisecond)}
	before, err := proc.CPU(t.subject.child.Pid())
	if err != nil {
		return c, err
	}
	if err := t.clients.Ask(ctx, load.Expect, nil, nil); err != nil {
		return c, err
	}
	if err := by.change(ctx, t, to); err != nil {
		return c, err
	}
	var granted load.Granted
	if err := t.clients.Ask(ctx, load.Await, nil, &granted); err != nil {
		return c, err
	}
	after, err := proc.CPU(t.subject.child.Pid())
	if err != nil {
		return c, err
	}
	if c.LatestCut, err = t.latestCut(ctx); err != nil {
		return c, err
	}
	t.progress("%s, %d ms to %d ms: all %d told after %.3f s, latest cut so far %.1f ms", by.name, c.FromMS, c.ToMS, granted.Sessions, granted.Seconds, c.LatestCut)
	if granted.Sessions != t.sessions() {
		m.problem("%d of %d sessions were told", granted.Sessions, t.sessions())
	}
	c.Told, c.CPU = granted.Each, after.Sub(before).Total().Seconds()
	if err := t.wait(ctx, t.settle()); err != nil {
		return c, err
	}
	if err := t.clients.Ask(ctx, load.Mark, nil, nil); err != nil {
		return c, err
	}
	if err := t.again(ctx, t.Window, m); err != nil {
		return c, err
	}
	w := m.windows[len(m.windows)-1]
	c.Frames = float64(w.Frames) / w.Seconds
	if want := float64(t.sessions()) / to.Seconds(); t.Window >= tellingBeats*to && (c.Frames < 0.8*want || c.Frames > 1.2*want) {
		m.problem("%.0f frames/s at a cadence of %v, want %.0f", c.Frames, to, want)
	}
	t.cfg.Groups[0].CadenceMS = c.ToMS
	return c, nil
}

// latestCut is the most that a cut has come behind its beat since the server started, in milliseconds.
func (t *trial) latestCut(ctx context.Context) (float64, error) {
	body, err := t.get(ctx, "/v1/overview")
	if err != nil {
		return 0, err
	}
	var o control.Overview
	err = json.Unmarshal(body, &o)
	return o.Totals.CutLatenessMaxMS, err
}
