package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// contest is a server that takes turns with others. It is there twice: without sessions, which tells what ingest costs, and with
// them. Each of the two has a market of its own, which stands still while others have their turn; sessions stay.
type contest struct {
	*run
	subject *subject // with sessions
	trial   *trial
	alone   *subject // without
	markets map[*subject]place
	takes   time.Duration // how long either half of a turn is measured
}

// place is where a subject has its ticks from.
type place struct {
	source *proc.Child
	where  feed.Where
	admin  string // of a feedd
}

// openContests starts all markets and servers, and brings their sessions.
func (r *run) openContests(ctx context.Context, wanted []contender) ([]*contest, error) {
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	var all []*contest
	for _, c := range wanted {
		x := &contest{run: r, markets: make(map[*subject]place), takes: min(turnTakes, r.Window)}
		if c.server == "feedd" && len(wanted) > 1 {
			x.takes = min(feeddTakes, r.Window)
		}
		for _, s := range []**subject{&x.alone, &x.subject} {
			if len(all) > 0 || x.alone != nil { // the first market is there
				if err := r.openMarket(ctx, false); err != nil {
					return nil, err
				}
			}
			var err error
			if *s, err = r.openContender(ctx, c); err != nil {
				return nil, err
			}
			x.markets[*s] = place{r.source, r.where, r.admin}
			if err := r.weigh(ctx, *s); err != nil {
				return nil, err
			}
			if err := x.rest(ctx); err != nil {
				return nil, err
			}
		}
		if err := x.join(ctx); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// openContender starts a server at the run's market.
func (r *run) openContender(ctx context.Context, c contender) (*subject, error) {
	if c.server != "feedd" {
		return r.openPeer(ctx, c.server, c.variant)
	}
	binary := r.binary
	defer func() { r.binary = binary }()
	if c.variant == anotherBuild {
		r.binary = r.against
	}
	s, err := r.openFeedd(ctx, "--data-dir", filepath.Join(r.dir, fmt.Sprintf("data-%d", len(r.children))))
	if err == nil && c.variant != "" {
		s.name += " " + c.variant
	}
	return s, err
}

// enter makes the market of a subject the run's.
func (x *contest) enter(s *subject) {
	m := x.markets[s]
	x.source, x.where, x.admin = m.source, m.where, m.admin
}

// rest has the run's market stand still.
func (x *contest) rest(ctx context.Context) error { return x.source.Ask(ctx, feed.Pause, nil, nil) }

// join brings the sessions.
func (x *contest) join(ctx context.Context) error {
	x.enter(x.subject)
	if err := x.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	g := x.group()
	if g.Speak = x.subject.speak; x.subject.speak != x.Speak {
		g.Trust, g.Deflate = "", false
	}
	var err error
	if x.trial, err = x.run.join(ctx, x.subject, g); err != nil {
		return err
	}
	return x.rest(ctx)
}

// How long either half of a turn is measured. Machines have seconds in which all costs half as much again; the shorter the turns, the more
// evenly all share in them. Beside peers that use ten times as much, feedd needs longer ones to show what it costs.
const turnTakes, feeddTakes = time.Second, 3 * time.Second

// turn measures ingest alone, and then sessions.
func (x *contest) turn(ctx context.Context) (*loaded, error) {
	m := new(loaded)
	if err := x.without(ctx, 1, m); err != nil {
		return nil, err
	}
	if err := x.rest(ctx); err != nil {
		return nil, err
	}
	if err := x.with(ctx, 1, m); err != nil {
		return nil, err
	}
	return m, x.rest(ctx)
}

// without measures ingest alone, with a market that is so many times as fast, which then goes on.
func (x *contest) without(ctx context.Context, speed float64, m *loaded) error {
	if err := x.begin(ctx, x.alone, speed); err != nil {
		return err
	}
	w, _, err := x.window(ctx, x.takes, report.Ingest, x.alone.child, nil)
	m.windows = append(m.windows, w)
	return err
}

// with does so with sessions.
func (x *contest) with(ctx context.Context, speed float64, m *loaded) error {
	if err := x.begin(ctx, x.subject, speed); err != nil {
		return err
	}
	return x.trial.again(ctx, x.takes, m)
}

// begin has a subject's market run.
func (x *contest) begin(ctx context.Context, s *subject, speed float64) error {
	x.enter(s)
	if err := x.source.Ask(ctx, feed.Speed, speed, nil); err != nil {
		return err
	}
	if err := x.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	return x.wait(ctx, 3*x.Cadence/2) // first cuts have less in them, or more
}

// last has the sessions receive for a whole window, for what turns are too short to show: a session that gets nothing, and how late and
// how old things come. It adds nothing to the costs, which are of the turns.
func (x *contest) last(ctx context.Context, speed float64, m *loaded) error {
	if err := x.begin(ctx, x.subject, speed); err != nil {
		return err
	}
	long := new(loaded)
	if err := x.trial.again(ctx, x.Window, long); err != nil {
		return err
	}
	m.got = long.got
	m.problems = append(m.problems, long.problems...)
	return x.rest(ctx)
}

// report returns what the contender costs, and adds to result what is wrong with that.
func (x *contest) report(m *loaded, at string, result *report.Result) report.Served {
	for _, p := range m.problems {
		result.Problems = append(result.Problems, at+p)
	}
	for _, w := range blur(m.windows) {
		result.Warnings = append(result.Warnings, at+w)
	}
	m.seen.ResidentWithout, m.seen.CollectedWithout = x.subject.resident, x.subject.collected
	served := x.trial.served(m)
	const full = 0.95
	if served.Cores > full && len(x.serverOn) == 1 {
		result.Warnings = append(result.Warnings, at+"had its core full, so it sent less often than it was asked to")
	}
	if served.CPUPerFrame <= 0 {
		result.Warnings = append(result.Warnings, at+"cost no more with its sessions than without: too few, or too much noise, to tell")
	}
	return served
}
