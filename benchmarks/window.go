package main

import (
	"context"
	"os"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// reading is what everything had used at one moment.
type reading struct {
	at        time.Time
	busy      time.Duration // the whole machine
	processes map[int]proc.Usage
}

func (r *run) read() (reading, error) {
	now := reading{at: time.Now(), processes: make(map[int]proc.Usage)}
	pids := []int{os.Getpid()}
	for _, c := range r.children {
		pids = append(pids, c.Pid())
	}
	var err error
	for _, pid := range pids {
		if now.processes[pid], err = proc.CPU(pid); err != nil {
			return now, err
		}
	}
	now.busy, err = proc.Busy()
	return now, err
}

// since is what process pid used between two readings.
func (now reading) since(earlier reading, pid int) proc.Usage {
	return now.processes[pid].Sub(earlier.processes[pid])
}

// ours is what all processes of this run used between two readings.
func (now reading) ours(earlier reading) time.Duration {
	var sum time.Duration
	for pid := range now.processes {
		sum += now.since(earlier, pid).Total()
	}
	return sum
}

// window measures what the process measured uses while clients (nil: none) receive, for as long. Counts and CPU are read in the same order at both ends, so that what lies between the two
// readings is the same and cancels.
func (r *run) window(ctx context.Context, long time.Duration, kind string, measured, clients *proc.Child) (report.Window, load.Window, error) {
	var (
		published [2]feed.Published
		received  [2]load.Window
		readings  [2]reading
	)
	for i := range readings {
		if i == 1 {
			if err := r.wait(ctx, long); err != nil {
				return report.Window{}, load.Window{}, err
			}
		}
		if err := r.source.Ask(ctx, feed.Count, nil, &published[i]); err != nil {
			return report.Window{}, load.Window{}, err
		}
		if clients != nil {
			if err := clients.Ask(ctx, load.Mark, nil, &received[i]); err != nil {
				return report.Window{}, load.Window{}, err
			}
		}
		var err error
		if readings[i], err = r.read(); err != nil {
			return report.Window{}, load.Window{}, err
		}
	}
	from, to, got := readings[0], readings[1], received[1]
	seconds := to.at.Sub(from.at).Seconds()
	cores := func(d time.Duration) float64 { return d.Seconds() / seconds }
	used := to.since(from, measured.Pid())
	w := report.Window{
		Kind: kind, Seconds: seconds, User: used.User.Seconds(), System: used.System.Seconds(),
		Frames: got.Frames, Bytes: got.Bytes, FewestFrames: got.FewestFrames, MostFrames: got.MostFrames,
		Ticks:        published[1].Ticks - published[0].Ticks,
		LagMax:       float64(published[1].LagMax) / float64(time.Millisecond),
		SourceCores:  cores(to.since(from, r.source.Pid()).Total()),
		ForeignCores: max(0, cores(to.busy-from.busy-to.ours(from))),
	}
	if clients != nil {
		w.LoadCores = cores(to.since(from, clients.Pid()).Total())
	}
	r.progress("%-6s %5.1f s: %7.0f frames/s, %5.1f %% of a core", kind, seconds, float64(w.Frames)/seconds, cores(used.Total())*100)
	return w, got, nil
}
