package main

import (
	"context"
	"sync"
	"time"

	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// stormInFlight is how many clients of a storm knock at the same time: as many as a listener's backlog commonly holds
// with room to spare, so that none waits for a retransmission of the kernel.
const stormInFlight = 2000

// storm has all clients come at once, lets them be, hangs all of them up and has them come again.
func storm(ctx context.Context, r *run) (*report.Result, error) {
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
	t := r.trial(s, r.group())
	t.cfg.InFlight = stormInFlight
	first, err := t.wave(ctx, t.connect)
	if err != nil {
		return nil, err
	}
	m, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	again, err := t.wave(ctx, t.reconnect)
	if err != nil {
		return nil, err
	}
	if err := t.wait(ctx, t.Warmup); err != nil {
		return nil, err
	}
	if err := t.finish(ctx, m); err != nil {
		return nil, err
	}
	result := r.result(started)
	result.Storm = report.Storms(first, again, m.seen.ResidentWith)
	result.Problems = append(result.Problems, m.problems...)
	result.Warnings = append(result.Warnings, blur(m.windows)...)
	result.Judge()
	return result, nil
}

// reconnect has all clients hang up and come again.
func (t *trial) reconnect(ctx context.Context) error {
	t.progress("%d sessions come again", t.sessions())
	return t.clients.Ask(ctx, load.Reconnect, nil, &t.joined)
}

// wave measures what one storm costs.
func (t *trial) wave(ctx context.Context, come func(context.Context) error) (report.Wave, error) {
	before, err := proc.CPU(t.subject.child.Pid())
	if err != nil {
		return report.Wave{}, err
	}
	peak := watchResident(t.subject.child.Pid())
	err = come(ctx)
	w := report.Wave{Peak: peak()}
	if err != nil {
		return w, err
	}
	after, err := proc.CPU(t.subject.child.Pid())
	if err != nil {
		return w, err
	}
	client, err := proc.CPU(t.clients.Pid())
	w.CPU, w.Client = after.Sub(before).Total().Seconds(), client.Total().Seconds()
	j := t.joined
	w.Seconds, w.LastAccept, w.Behind, w.Each = j.Seconds, j.LastAccept, j.Behind, j.Each
	t.progress("all live after %.2f s, %.2f s behind the last accept; memory at most %d MB", j.Seconds, j.Behind, w.Peak>>20)
	return w, err
}

// watchResident looks at a process's memory until the function that it returns is called, which tells the most that was
// seen.
func watchResident(pid int) (peak func() int64) {
	const often = 20 * time.Millisecond
	var (
		most int64
		done sync.WaitGroup
	)
	halt := make(chan struct{})
	look := func() {
		if n, err := proc.ResidentNow(pid); err == nil {
			most = max(most, n)
		}
	}
	done.Go(func() {
		ticker := time.NewTicker(often)
		defer ticker.Stop()
		for {
			look()
			select {
			case <-halt:
				return
			case <-ticker.C:
			}
		}
	})
	return func() int64 {
		close(halt)
		done.Wait()
		look()
		return most
	}
}
