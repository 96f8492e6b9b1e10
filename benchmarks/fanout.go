package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
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

// fanoutRun measures many sessions at one cadence: the server and the floor in turns, so that a machine
// that slows down or speeds up meanwhile does so for both.
type fanoutRun struct {
	*run
	server, clients      *proc.Child // feedd and its sessions
	floor, floorClients  *proc.Child
	measured             report.Measured
	beats                []int64
	joined               load.Joined
	seen                 probe.Figures // of the server's last window
	problems             []string
	finalQuotes, differs int
}

func fanout(ctx context.Context, r *run) (*report.Result, error) {
	started := time.Now()
	f := &fanoutRun{run: r, measured: report.Measured{Sessions: r.Sessions}}
	for _, stage := range []func(context.Context) error{f.ingest, f.connect, f.rounds, f.final, f.collect, f.takeProfile} {
		if err := stage(ctx); err != nil {
			return nil, err
		}
	}
	result := r.result(started)
	result.Fanout = report.Figures(f.measured)
	result.JoinSeconds = f.joined.Seconds
	result.FinalQuotesCompared = f.finalQuotes
	result.Lateness, result.Interval, result.Age = f.seen.Lateness, f.seen.Interval, f.seen.Age
	result.Problems = append(result.Problems, f.problems...)
	result.Warnings = append(result.Warnings, blur(f.measured.Windows)...)
	result.Judge()
	return result, nil
}

// ingest measures the server with ticks and without sessions.
func (f *fanoutRun) ingest(ctx context.Context) error {
	if err := f.prepare(ctx, false); err != nil {
		return err
	}
	var err error
	if f.server, err = f.feedd(ctx); err != nil {
		return err
	}
	f.progress("feedd on %s, NATS on %s; warming up", f.websocket, f.where.NATS)
	if err := f.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := f.wait(ctx, f.Warmup); err != nil {
		return err
	}
	w, _, err := f.window(ctx, report.Ingest, f.server, nil)
	if err != nil {
		return err
	}
	f.measured.Windows = append(f.measured.Windows, w)
	f.measured.ResidentWithout, err = proc.Resident(f.server.Pid())
	return err
}

func (f *fanoutRun) connect(ctx context.Context) error {
	var err error
	if f.clients, err = f.role("load", f.othersOn); err != nil {
		return err
	}
	f.progress("connecting %d sessions", f.Sessions)
	cfg := load.Config{Address: f.websocket, Symbols: feed.Symbols(f.Instruments), Groups: []load.Group{f.group()}, Gather: gather}
	if err := f.clients.Ask(ctx, load.Connect, cfg, &f.joined); err != nil {
		return err
	}
	f.progress("all live after %.2f s; warming up", f.joined.Seconds)
	if err := f.wait(ctx, f.Warmup); err != nil {
		return err
	}
	return f.serverWindow(ctx)
}

// group is the sessions of a scenario in which all do the same.
func (r *run) group() load.Group {
	return load.Group{
		Name: "sessions", Speak: r.Speak, Sessions: r.Sessions, Probes: r.Probes, Choice: r.choice(), Deflate: r.Deflate != deflateOff,
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

// serverWindow measures the server with its sessions.
func (f *fanoutRun) serverWindow(ctx context.Context) error {
	w, got, err := f.window(ctx, report.Server, f.server, f.clients)
	if err != nil {
		return err
	}
	f.measured.Windows = append(f.measured.Windows, w)
	f.measured.ProbeFrames += got.Probes.Frames
	f.measured.ProbeRows += got.Probes.Rows
	f.seen = got.Probes
	f.beats = got.Groups[0].Beats
	if len(got.Closed) > 0 {
		f.problem("sessions ended: %s", describe(got.Closed))
	}
	if w.FewestFrames == 0 {
		f.problem("a session got no frame in a window of %v", f.Window)
	}
	f.measured.ResidentWith, err = proc.Resident(f.server.Pid())
	return err
}

func (f *fanoutRun) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.problems, text) {
		f.problems = append(f.problems, text)
	}
}

func describe(closed map[string]int) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(closed)) {
		words = append(words, fmt.Sprintf("%d: %s", closed[why], why))
	}
	return strings.Join(words, ", ")
}

// rounds measures the floor and the server in turns.
func (f *fanoutRun) rounds(ctx context.Context) error {
	if err := f.openFloor(ctx); err != nil {
		return err
	}
	for range f.Rounds {
		if err := f.floorWindow(ctx); err != nil {
			return err
		}
		if err := f.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
			return err
		}
		if err := f.wait(ctx, f.settle()); err != nil {
			return err
		}
		if err := f.serverWindow(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle is how long a pause is that lets the last cuts go out.
func (f *fanoutRun) settle() time.Duration { return time.Second + 3*f.Cadence }

func (f *fanoutRun) openFloor(ctx context.Context) error {
	var err error
	if f.floor, err = f.role("floor", f.serverOn); err != nil {
		return err
	}
	var address string
	if err := f.floor.Ask(ctx, floor.Address, nil, &address); err != nil {
		return err
	}
	if f.floorClients, err = f.role("load", f.othersOn); err != nil {
		return err
	}
	return f.floorClients.Ask(ctx, load.Connect, load.Config{
		Address: address, Groups: []load.Group{{Speak: load.Raw, Sessions: f.Sessions}}, Gather: gather,
	}, nil)
}

// floorWindow measures the floor at the pace of the server's last window. Ticks are paused meanwhile, so
// that the server, which shares the floor's core, is quiet.
func (f *fanoutRun) floorWindow(ctx context.Context) error {
	if err := f.source.Ask(ctx, feed.Pause, nil, nil); err != nil {
		return err
	}
	plan := floorPlan(f.measured.Windows[len(f.measured.Windows)-1], f.Sessions, f.Cadence, f.beats)
	if plan.Interval <= 0 {
		return fmt.Errorf("the server sent no frames: no pace for the floor to follow")
	}
	if err := f.floor.Ask(ctx, floor.Run, plan, nil); err != nil {
		return err
	}
	if err := f.wait(ctx, f.settle()); err != nil {
		return err
	}
	w, _, err := f.window(ctx, report.Floor, f.floor, f.floorClients)
	if err != nil {
		return err
	}
	f.measured.Windows = append(f.measured.Windows, w)
	var count floor.Count
	if err := f.floor.Ask(ctx, floor.Pause, nil, &count); err != nil {
		return err
	}
	if count.Refused > 0 {
		f.warnings = append(f.warnings, fmt.Sprintf("the kernel refused %d writes of the floor: its clients are too slow", count.Refused))
	}
	return nil
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

// final stops the ticks and checks that every probe holds what was published last.
func (f *fanoutRun) final(ctx context.Context) error {
	var published []feed.Quote
	if err := f.source.Ask(ctx, feed.Pause, nil, &published); err != nil {
		return err
	}
	if err := f.wait(ctx, f.settle()); err != nil {
		return err
	}
	var held []probe.Last
	if err := f.clients.Ask(ctx, load.Holds, nil, &held); err != nil {
		return err
	}
	f.finalQuotes = len(held)
	if n, first := probe.Compare(held, feed.Symbols(f.Instruments), published); n > 0 {
		f.problem("%d of %d final quotes differ from what was published; %s", n, len(held), first)
	}
	if want := f.Probes * f.PerSession; len(held) != want {
		f.problem("probes hold %d quotes, want %d", len(held), want)
	}
	var w load.Window
	if err := f.clients.Ask(ctx, load.Mark, nil, &w); err != nil {
		return err
	}
	if w.Probes.Problems > 0 {
		f.problem("%d wrong rows, such as: %s", w.Probes.Problems, strings.Join(w.Probes.Texts, "; "))
	}
	return nil
}

// collect has the server collect its garbage and measures its memory again: what is left is what sessions
// hold on to, whatever they went through before.
func (f *fanoutRun) collect(ctx context.Context) error {
	// Twice, since what the first one finds unused is given back around the second.
	for range 2 {
		if _, err := f.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return err
		}
		if err := f.wait(ctx, time.Second); err != nil {
			return err
		}
	}
	var err error
	f.measured.ResidentCollected, err = proc.Resident(f.server.Pid())
	return err
}

// takeProfile runs one more window, under the profiler, which is why it counts for nothing else.
func (f *fanoutRun) takeProfile(ctx context.Context) error {
	if f.profile == "" {
		return nil
	}
	if err := f.source.Ask(ctx, feed.Resume, nil, nil); err != nil {
		return err
	}
	if err := f.wait(ctx, f.settle()); err != nil {
		return err
	}
	seconds := int(f.Window.Seconds())
	f.progress("profiling for %d s", seconds)
	profile, err := f.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return err
	}
	return os.WriteFile(f.profile, profile, 0o644)
}

// get asks the server's admin listener.
func (f *fanoutRun) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.admin, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // no idle connection is left behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", request.URL, err)
	}
	return body, nil
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
