package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/feedd/feedd/benchmarks/crowd"
	"github.com/feedd/feedd/benchmarks/soak"
)

// sample is what the server held at one moment, and what clients had of it in the second before.
type sample struct {
	at          time.Duration
	calm        bool
	heap        float64 // that no collection can free
	resident    float64
	goroutines  float64
	descriptors float64
	connections float64
	dropped     map[string]float64
	frames      float64 // a second
	crowd       crowd.Mark
}

// holding is something that a server holds and that must not grow.
type holding struct {
	name   string
	of     func(sample) float64
	judged bool
	// What may be added in an hour without meaning anything, and what a run must be able to see: a share of what there is, or
	// a number where that is more.
	share, number float64
}

// held are those figures. Resident memory is told and not judged: the runtime gives pages back when it likes.
var held = []holding{
	{"live_heap_bytes", func(s sample) float64 { return s.heap }, true, 0.02, 0},
	{"goroutines", func(s sample) float64 { return s.goroutines }, true, 0, 2},
	{"descriptors", func(s sample) float64 { return s.descriptors }, true, 0, 2},
	{"resident_bytes", func(s sample) float64 { return s.resident }, false, 0.02, 0},
}

func (f holding) negligible(mean float64) float64 { return max(f.number, f.share*mean) }

// clear is ten times that.
func (f holding) clear(mean float64) float64 { return 10 * f.negligible(mean) }

// Every so often the server collects, so that what it is said to hold is of the moment: left to itself, so small a heap is
// collected every minute or two, and then tells what it held in the middle of some fault.
const collectEvery = 2 * time.Second

// collect has the server collect its garbage, and keeps profiles of what is left where that is asked for.
func (s *soaking) collect(ctx context.Context) error {
	now := time.Now()
	if now.Sub(s.collected) < collectEvery {
		return nil
	}
	s.collected = now
	profile, err := s.get(ctx, "/debug/pprof/heap?gc=1")
	if err != nil || s.profiles == "" || now.Sub(s.profiled) < time.Minute {
		return err
	}
	s.profiled = now
	name := fmt.Sprintf("heap-%02.0f.pb.gz", now.Sub(s.began).Minutes())
	return os.WriteFile(filepath.Join(s.profiles, name), profile, 0o644)
}

// tellEvery is how often a line of progress is written.
const tellEvery = 10 * time.Second

// look asks the server.
func (s *soaking) look(ctx context.Context) (sample, error) {
	if err := s.collect(ctx); err != nil {
		return sample{}, err
	}
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return sample{}, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return sample{}, fmt.Errorf("metrics: %w", err)
	}
	value := func(name string) float64 {
		for _, m := range families[name].GetMetric() {
			return m.GetGauge().GetValue()
		}
		return 0
	}
	one := sample{
		at: time.Since(s.began), heap: value("feedd_memory_live_bytes"), resident: value("process_resident_memory_bytes"),
		goroutines: value("go_goroutines"), descriptors: value("process_open_fds"), connections: value("feedd_connections"),
		dropped: make(map[string]float64),
	}
	for _, m := range families["feedd_dropped_total"].GetMetric() {
		one.dropped[label(m, "reason")] = m.GetCounter().GetValue()
	}
	if one.heap == 0 || one.goroutines == 0 || one.descriptors == 0 {
		return one, fmt.Errorf("metrics: heap %g, goroutines %g, descriptors %g: want all of them", one.heap, one.goroutines, one.descriptors)
	}
	return one, nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// sampled takes a sample of both sides, and notes when everybody is back.
func (s *soaking) sampled(ctx context.Context) error {
	one, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err := s.crowd.Ask(ctx, crowd.Tell, nil, &one.crowd); err != nil {
		return err
	}
	f, m := s.figures, one.crowd
	f.Frames += m.Frames
	f.Rows += m.Rows
	f.Bytes += m.Bytes
	f.Connects += m.Connects
	f.ToldMissing += m.Told
	for how, n := range m.Ended {
		f.Ended[how] += n
	}
	s.problems = append(s.problems, m.Problems...)
	for _, p := range m.Problems {
		s.progress("PROBLEM %s", p)
	}
	one.frames = float64(m.Frames)
	if n := len(s.samples); n > 0 {
		one.frames /= max(0.1, (one.at - s.samples[n-1].at).Seconds())
	}
	s.settle(&one)
	s.samples = append(s.samples, one)
	return nil
}

// calmBehind is how long after everybody is back things count as calm: what the server held for a fault is collected by then.
const calmBehind = 3 * time.Second

func (s *soaking) settle(one *sample) {
	t := &s.trouble
	everybody := one.crowd.Live+one.crowd.Away >= one.crowd.Clients-1 // a visitor may be just arriving
	if !t.open && everybody && !t.back {
		t.back = true
		took := one.at - t.since
		if n, ok := s.figures.Faults[t.last.Fault]; ok {
			n.WorstBackS = max(n.WorstBackS, took.Seconds())
			s.figures.Faults[t.last.Fault] = n
		}
		t.since = one.at
	}
	one.calm = !t.open && t.back && everybody && one.at-t.since >= calmBehind && one.at > s.Warmup
}

// series is one figure of all samples.
func (s *soaking) series(of func(sample) float64) []soak.Sample {
	var all []soak.Sample
	for _, one := range s.samples {
		all = append(all, soak.Sample{At: one.at, Connections: one.connections, Value: of(one), Calm: one.calm})
	}
	return all
}

// tell writes a line of progress.
func (s *soaking) tell() {
	one := s.samples[len(s.samples)-1]
	s.progress("%3.0f s: %d of %d live, %d away; heap %.1f MB, resident %.1f MB, %.0f goroutines, %.0f descriptors, %.0f frames/s",
		one.at.Seconds(), one.crowd.Live, one.crowd.Clients, one.crowd.Away, one.heap/1e6, one.resident/1e6, one.goroutines, one.descriptors, one.frames)
}
