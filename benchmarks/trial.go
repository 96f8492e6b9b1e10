package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/floor"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/report"
)

// trial is sessions at a subject. done ends them.
type trial struct {
	*run
	subject *subject
	cfg     load.Config
	clients *proc.Child
	joined  load.Joined
	still   map[string]bool // groups that do not read
	slowest time.Duration   // cadence of any session, where that is not the run's
}

// loaded is what a subject was seen to cost under its sessions.
type loaded struct {
	windows  []report.Window
	got      load.Window // of the last window with sessions
	seen     report.Measured
	compared int // final quotes
	books    int // final books compared
	problems []string
}

// tellingBeats is how many beats a window must hold for their number to tell anything.
const tellingBeats = 8

func (m *loaded) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(m.problems, text) {
		m.problems = append(m.problems, text)
	}
}

// group is the sessions of a scenario in which all do the same.
func (r *run) group() load.Group {
	return load.Group{
		Name: "sessions", Speak: r.Speak, Sessions: r.Sessions, Probes: r.Probes, Choice: r.choice(), Deflate: r.Deflate != deflateOff, Trust: r.trust,
		CadenceMS: uint32(r.Cadence / time.Millisecond), Busy: r.busy(),
	}
}

// busy reports whether every beat has something for every session: so many bursts fall between two that none in a
// billion is empty.
func (r *run) busy() bool {
	const enough = 20
	return r.TickHz/r.Burst*float64(r.PerSession)*r.Cadence.Seconds() > enough
}

// gather is how long clients let frames collect, in microseconds. It adds as much to the lateness that probes
// see, which at a cadence of 250 ms does not matter.
const gather = 1000

// join connects sessions and waits until they are live.
func (r *run) join(ctx context.Context, s *subject, groups ...load.Group) (*trial, error) {
	t := r.trial(s, groups...)
	return t, t.connect(ctx)
}

// trial readies sessions that connect has come.
func (r *run) trial(s *subject, groups ...load.Group) *trial {
	cfg := load.Config{Address: s.address, Symbols: feed.Symbols(r.Instruments), Groups: groups, Gather: gather}
	return &trial{run: r, subject: s, cfg: cfg}
}

func (t *trial) connect(ctx context.Context) error {
	var err error
	if t.clients, err = t.role("load", t.othersOn); err != nil {
		return err
	}
	t.progress("%s: connecting %d sessions", t.subject.name, t.sessions())
	if err := t.clients.Ask(ctx, load.Connect, t.cfg, &t.joined); err != nil {
		return err
	}
	t.progress("%s: all live after %.2f s", t.subject.name, t.joined.Seconds)
	return nil
}

func (t *trial) sessions() int {
	n := 0
	for _, g := range t.cfg.Groups {
		n += g.Sessions
	}
	return n
}

// measure lets things settle and measures a window.
func (t *trial) measure(ctx context.Context) (*loaded, error) {
	m := &loaded{windows: []report.Window{t.subject.ingest}}
	m.seen.ResidentWithout, m.seen.CollectedWithout = t.subject.resident, t.subject.collected
	if err := t.wait(ctx, t.Warmup); err != nil {
		return nil, err
	}
	return m, t.again(ctx, t.Window, m)
}

// again measures one more window, that is so long.
func (t *trial) again(ctx context.Context, long time.Duration, m *loaded) error {
	w, got, err := t.window(ctx, long, report.Server, t.subject.child, t.clients)
	if err != nil {
		return err
	}
	m.windows, m.got = append(m.windows, w), got
	m.seen.ProbeFrames += got.Probes.Frames
	m.seen.ProbeRows += got.Probes.Rows
	m.seen.Conflated += got.Probes.Conflated
	if len(got.Closed) > 0 {
		m.problem("sessions ended: %s", describe(got.Closed))
	}
	for _, g := range got.Groups {
		if g.FewestFrames == 0 && !t.still[g.Name] && long >= tellingBeats*max(t.Cadence, t.slowest) {
			m.problem("one of the %s got no frame in a window of %v", g.Name, long)
		}
	}
	m.seen.ResidentWith, err = proc.Resident(t.subject.child.Pid())
	return err
}

func describe(closed map[string]int) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(closed)) {
		words = append(words, fmt.Sprintf("%d: %s", closed[why], why))
	}
	return strings.Join(words, ", ")
}

// settle is how long a pause is that lets the last cuts go out.
func (t *trial) settle() time.Duration { return time.Second + 3*max(t.Cadence, t.slowest) }

// beside measures the floor at the pace of the subject's sessions, on the same core. Ticks are paused meanwhile, so that
// the subject is quiet.
func (t *trial) beside(ctx context.Context, m *loaded) error {
	if err := t.source.Ask(ctx, feed.Pause, nil, nil); err != nil {
		return err
	}
	if m.windows[len(m.windows)-1].Frames == 0 {
		return fmt.Errorf("%s sent no frames: no pace for the floor to follow", t.subject.name)
	}
	g, err := t.openGround(ctx, t, m)
	if err != nil {
		return err
	}
	defer g.close()
	w, err := g.measure(ctx, t.settle(), t.Window)
	if err != nil {
		return err
	}
	m.windows = append(m.windows, w)
	return t.resume(ctx)
}

// resume lets ticks go on, and things settle.
func (t *trial) resume(ctx context.Context) error {
	if err := t.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	return t.wait(ctx, t.settle())
}

// floorPlan gives the floor the size, the pace and the spread in time of what the server was seen to send.
func floorPlan(w report.Window, sessions int, cadence time.Duration, beats []int64) floor.Plan {
	if w.Frames == 0 {
		return floor.Plan{}
	}
	plan := floor.Plan{
		Sockets:    sessions,
		Interval:   time.Duration(w.Seconds * float64(sessions) / float64(w.Frames) * float64(time.Second)),
		FrameBytes: int(math.Round(float64(w.Bytes) / float64(w.Frames))),
		Spread:     floor.Even(250),
	}
	// At the cadence, or nearly so, the floor keeps to the server's beats; frames at once come whenever they
	// do.
	const nearly = 1.25
	if cadence > 0 && float64(plan.Interval) < nearly*float64(cadence) {
		plan.Spread = beats
	}
	return plan
}

// finish stops the ticks, checks that every probe holds what was published last, and measures what memory the sessions
// hold on to.
func (t *trial) finish(ctx context.Context, m *loaded) error {
	var published []feed.Quote
	if err := t.source.Ask(ctx, feed.Pause, nil, &published); err != nil {
		return err
	}
	if err := t.wait(ctx, t.settle()); err != nil {
		return err
	}
	if err := t.check(ctx, m, published); err != nil {
		return err
	}
	if t.subject.collect == nil {
		return nil
	}
	if err := t.subject.collect(ctx); err != nil {
		return err
	}
	var err error
	m.seen.ResidentCollected, err = proc.Resident(t.subject.child.Pid())
	return err
}

// check compares what probes hold with what was published last.
func (t *trial) check(ctx context.Context, m *loaded, published []feed.Quote) error {
	var held []probe.Last
	if err := t.clients.Ask(ctx, load.Holds, nil, &held); err != nil {
		return err
	}
	m.compared = len(held)
	if n, first := probe.Compare(held, t.cfg.Symbols, published); n > 0 {
		m.problem("%d of %d final quotes differ from what was published; %s", n, len(held), first)
	}
	if err := t.verify(ctx, m); err != nil {
		return err
	}
	if err := t.checkBooks(ctx, m); err != nil {
		return err
	}
	want := 0
	for _, g := range t.cfg.Groups {
		want += g.Probes * g.Choice.PerSession
	}
	if len(held) != want {
		m.problem("probes hold %d quotes, want %d", len(held), want)
	}
	var w load.Window
	if err := t.clients.Ask(ctx, load.Mark, nil, &w); err != nil {
		return err
	}
	if w.Probes.Problems > 0 {
		m.problem("%d wrong rows, such as: %s", w.Probes.Problems, strings.Join(w.Probes.Texts, "; "))
	}
	return nil
}

// verify looks for every row that probes had in all that was published.
func (t *trial) verify(ctx context.Context, m *loaded) error {
	if t.stamped {
		return nil // such quotes tell their order by themselves
	}
	market := probe.Market{Seed: t.Seed}
	if err := t.source.Ask(ctx, feed.Ticks, nil, &market.Ticks); err != nil {
		return err
	}
	var v probe.Verdict
	if err := t.clients.Ask(ctx, load.Verify, market, &v); err != nil {
		return err
	}
	if v.Problems > 0 {
		m.problem("%d times rows are not what was published, such as: %s", v.Problems, strings.Join(v.Texts, "; "))
	}
	t.progress("%s: %d rows of probes were looked for among the ticks, and the ticks of %d probes counted", t.subject.name, v.Rows, v.Counted)
	return nil
}

// bookDepth is that of the books which sessions look at.
const bookDepth = 20

// checkBooks does the same for books, where sessions have any.
func (t *trial) checkBooks(ctx context.Context, m *loaded) error {
	var held []probe.LastBook
	if err := t.clients.Ask(ctx, load.Books, nil, &held); err != nil {
		return err
	}
	if len(held) == 0 {
		return nil
	}
	var published []feed.Book
	if err := t.source.Ask(ctx, feed.Tops, bookDepth, &published); err != nil {
		return err
	}
	m.books = len(held)
	if n, first := probe.CompareBooks(held, t.cfg.Symbols, published); n > 0 {
		m.problem("%d of %d final books differ from what was published; %s", n, len(held), first)
	}
	return nil
}

// done hangs up.
func (t *trial) done() {
	if t.clients != nil {
		t.end(t.clients)
	}
}

// served are the figures of a subject under load.
func (t *trial) served(m *loaded) report.Served {
	m.seen.Sessions, m.seen.Windows = t.sessions(), m.windows
	f := report.Serve(m.seen)
	f.JoinSeconds = t.joined.Seconds
	f.Lateness, f.Age = m.got.Probes.Lateness, m.got.Probes.Age
	if m.got.Frames > 0 {
		f.PackedShare = float64(m.got.Packed) / float64(m.got.Frames)
	}
	return f
}

// blur tells what may have blurred the figures of the windows.
func blur(windows []report.Window) []string {
	const (
		foreign = 0.1  // cores: more moves caches and clocks
		full    = 0.9  // of its core: the clients may be what is measured
		lag     = 20.0 // milliseconds
		uneven  = 0.05 // of the server's pace: the floor could not keep it
	)
	var texts []string
	pace := 0.0 // frames a second in the server's last window
	for i, w := range windows {
		at := fmt.Sprintf("window %d (%s): ", i+1, w.Kind)
		if w.ForeignCores > foreign {
			texts = append(texts, fmt.Sprintf(at+"other programs used %.2f cores", w.ForeignCores))
		}
		if w.LoadCores+w.SourceCores > full {
			texts = append(texts, fmt.Sprintf(at+"clients and market used %.2f cores", w.LoadCores+w.SourceCores))
		}
		switch rate := float64(w.Frames) / w.Seconds; w.Kind {
		case report.Server:
			pace = rate
		case report.Floor:
			if math.Abs(rate-pace) > uneven*pace {
				texts = append(texts, fmt.Sprintf(at+"%.0f frames/s, while the server sent %.0f", rate, pace))
			}
		}
		if w.LagMax > lag {
			texts = append(texts, fmt.Sprintf(at+"publishing fell %.0f ms behind its schedule", w.LagMax))
		}
	}
	return texts
}
