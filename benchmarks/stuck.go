package main

import (
	"context"
	"fmt"
	"time"

	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// Of the sessions of the scenario stuck, a tenth stops reading and a twentieth reads slowly. They follow more, and more
// often, than the others do, so that what they do not read piles up within seconds.
const (
	stuckPart, slowPart = 10, 20
	heavyInstruments    = 50
	heavyCadenceMS      = 100
	slowBytesPerSecond  = 3000 // half of what they are sent
)

// stuck measures how much clients that do not read concern those that do, in -rounds turns with a look at all who
// read before each. The figure is that of the middle turn: on a quiet machine one turn in six or so meets a stall of
// milliseconds that has nothing to do with who is stuck, and of three the middle one was such a turn too often.
func stuck(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	if err := r.prepare(ctx, false); err != nil {
		return nil, err
	}
	s, err := r.openFeedd(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.alone(ctx, s); err != nil {
		return nil, err
	}
	t, err := r.join(ctx, s, r.healthyAndNot()...)
	if err != nil {
		return nil, err
	}
	m, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	f := &report.Stuck{Healthy: t.cfg.Groups[0].Sessions, Slow: t.cfg.Groups[1].Sessions, Stuck: t.cfg.Groups[2].Sessions}
	for n := range r.Rounds {
		if n > 0 {
			if err := t.calm(ctx, m); err != nil {
				return nil, err
			}
		}
		if err := t.stall(ctx, m, f); err != nil {
			return nil, err
		}
	}
	if err := t.finish(ctx, m); err != nil {
		return nil, err
	}
	f.QuotesCompared = m.compared
	result := r.result(started)
	result.Stuck = f.Stalled()
	result.Problems = append(result.Problems, m.problems...)
	result.Warnings = append(result.Warnings, blur(m.windows)...)
	result.Judge()
	return result, nil
}

// healthyAndNot are the groups of the scenario.
func (r *run) healthyAndNot() []load.Group {
	healthy := r.group()
	heavy := healthy
	heavy.Choice.PerSession, heavy.CadenceMS, heavy.Probes, heavy.Busy = min(heavyInstruments, r.Instruments), heavyCadenceMS, 4, false
	heavy.SmallBuffer = true
	healthy.Stamped = true // they are judged, and share this side's core with those who make the trouble
	slow, still := heavy, heavy
	slow.Name, slow.Sessions, slow.BytesPerSecond = "slow", r.Sessions/slowPart, slowBytesPerSecond
	still.Name, still.Sessions = "stuck", r.Sessions/stuckPart
	slow.Probes, still.Probes = min(slow.Probes, slow.Sessions), min(still.Probes, still.Sessions)
	healthy.Name, healthy.Sessions = "healthy", r.Sessions-slow.Sessions-still.Sessions
	return []load.Group{healthy, slow, still}
}

// calm measures once more while all read, when they have caught up.
func (t *trial) calm(ctx context.Context, m *loaded) error {
	if err := t.wait(ctx, t.settle()); err != nil {
		return err
	}
	if err := t.clients.Ask(ctx, load.Mark, nil, nil); err != nil {
		return err
	}
	return t.again(ctx, t.Window, m)
}

// stall has the stuck sessions stop reading, measures, and has them read again.
func (t *trial) stall(ctx context.Context, m *loaded, f *report.Stuck) error {
	turn := report.StuckTurn{Before: m.got.Groups[0].Probes.Lateness, CoresBefore: m.cores()}
	before, err := proc.Resident(t.subject.child.Pid())
	if err != nil {
		return err
	}
	if err := t.clients.Ask(ctx, load.Stall, "stuck", nil); err != nil {
		return err
	}
	t.still = map[string]bool{"stuck": true}
	t.progress("%d sessions are stuck", f.Stuck)
	// Until what is sent to them fills every buffer on the way.
	const fill = 5 * time.Second
	if err := t.wait(ctx, fill); err != nil {
		return err
	}
	if err := t.clients.Ask(ctx, load.Mark, nil, nil); err != nil {
		return err
	}
	if err := t.again(ctx, t.Window, m); err != nil {
		return err
	}
	turn.During, turn.CoresDuring = m.got.Groups[0].Probes.Lateness, m.cores()
	f.Turns = append(f.Turns, turn)
	f.SlowAge = float64(m.got.Groups[1].Probes.Age.P99) / 1000
	f.BytesPerStuck = float64(m.seen.ResidentWith-before) / float64(max(f.Stuck, 1))
	if n := m.got.Groups[2].Frames; n > 0 {
		return fmt.Errorf("stuck sessions read %d frames: they are not stuck", n)
	}
	// They come back before the server gives them up, and the slow ones may read what they are behind, so that all can
	// be compared with what was published last.
	for _, group := range []string{"stuck", "slow"} {
		if err := t.clients.Ask(ctx, load.Unstall, group, nil); err != nil {
			return err
		}
	}
	t.still = nil
	return nil
}

// cores is what the server used in the last window.
func (m *loaded) cores() float64 {
	w := m.windows[len(m.windows)-1]
	return (w.User + w.System) / w.Seconds
}
