package main

import (
	"context"
	"math"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/report"
)

// What the market of the scenario mix is like, besides the options: instruments tick by Zipf's law, at recorded
// intervals where there are recordings; those that are looked at most have books and trades; and every so often a second
// runs twenty times as fast.
const (
	mixBooks      = 400
	mixLevels     = 200
	mixSurge      = 20
	mixSurgeEvery = 10 * time.Second
	hiddenTab     = "hidden tab"
	hiddenCadence = 2 * time.Second // that the server gives tabs that nobody looks at
)

// class is a kind of sessions in the mix.
type class struct {
	share float64
	group load.Group
}

// classes are the sessions of a day: 70 % watchlists (of which 5 % of all behind slow links), 20 % active traders,
// 8 % hidden tabs, 2 % that take a thousand instruments.
func classes() []class {
	quotes := func(name string, n int, cadence uint32) load.Group {
		return load.Group{Name: name, CadenceMS: cadence, Probes: 8, Choice: load.Choice{PerSession: n}}
	}
	slow := quotes("slow link", 60, 250)
	slow.BytesPerSecond, slow.SmallBuffer = 256_000/8, true
	trader := quotes("trader", 50, 100)
	trader.Subscribe = []load.Subscription{{Channels: []string{"quote"}}, {Channels: []string{"book", "trade"}, First: 2, Depth: bookDepth}}
	hidden := quotes(hiddenTab, 50, 250)
	hidden.Hidden = true
	firehose := quotes("firehose", 1000, 50)
	firehose.Probes = 2
	return []class{
		{0.20, quotes("watchlist of 30", 30, 250)}, {0.25, quotes("watchlist of 60", 60, 250)},
		{0.20, quotes("watchlist of 100", 100, 250)}, {0.05, slow}, {0.20, trader}, {0.08, hidden}, {0.02, firehose},
	}
}

// mixed are the groups of so many sessions in all.
func (r *run) mixed() []load.Group {
	var all []load.Group
	for _, c := range classes() {
		g := c.group
		g.Speak, g.Deflate = r.Speak, r.Deflate != deflateOff
		g.Trust = r.trust
		g.Sessions = max(1, int(math.Round(c.share*float64(r.Sessions))))
		g.Probes = min(g.Probes, g.Sessions)
		g.Choice.Instruments, g.Choice.Distribution, g.Choice.Seed = r.Instruments, load.Zipf, r.Seed
		g.Choice.PerSession = min(g.Choice.PerSession, r.Instruments)
		all = append(all, g)
	}
	return all
}

// mix measures sessions as different as those of a day, in a market that has bursts.
func mix(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	r.market = feed.Config{
		Levels: mixLevels, Books: mixBooks, Zipf: true, Recorded: r.ticks, Surge: feed.Surge{Factor: mixSurge, Every: mixSurgeEvery},
	}
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
	t, err := r.join(ctx, s, r.mixed()...)
	if err != nil {
		return nil, err
	}
	t.slowest = hiddenCadence
	m, err := t.measure(ctx)
	if err != nil {
		return nil, err
	}
	got := m.got
	if err := t.finish(ctx, m); err != nil {
		return nil, err
	}
	if err := t.takeProfile(ctx); err != nil {
		return nil, err
	}
	result := r.result(started)
	f := &report.Mix{Served: t.served(m), QuotesCompared: m.compared, BooksCompared: m.books, Recorded: r.ticks != ""}
	for i, g := range got.Groups {
		f.Add(t.cfg.Groups[i].Sessions, m.windows[len(m.windows)-1].Seconds, g)
		if g.Probes.Lost > 0 {
			m.problem("a %s lost %d trades", g.Name, g.Probes.Lost)
		}
	}
	result.Mix = f
	result.Problems = append(result.Problems, m.problems...)
	result.Warnings = append(result.Warnings, blur(m.windows)...)
	result.Judge()
	return result, nil
}
