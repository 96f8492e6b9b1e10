package report

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/feedd/feedd/benchmarks/probe"
)

func measured() Measured {
	return Measured{
		Sessions: 1000,
		Windows: []Window{
			{Kind: Ingest, Seconds: 10, User: 0.3, System: 0.2, Ticks: 80_000},
			{Kind: Server, Seconds: 10, User: 0.9, System: 1.6, Frames: 100_000, Bytes: 25_000_000, Ticks: 80_000},
			{Kind: Floor, Seconds: 10, User: 0.1, System: 1.5, Frames: 100_000, Bytes: 25_000_000},
			{Kind: Server, Seconds: 10, User: 1.1, System: 1.4, Frames: 100_000, Bytes: 25_000_000, Ticks: 80_000},
		},
		ProbeFrames: 100, ProbeRows: 2000, ResidentWithout: 30_000_000, ResidentWith: 40_000_000, CollectedWithout: 30_000_000, ResidentCollected: 38_000_000,
	}
}

func TestFiguresFollowFromWindows(t *testing.T) {
	f := Serve(measured())
	for name, c := range map[string]struct{ got, want float64 }{
		"total":    {f.CPUPerFrameTotal, 25},
		"net":      {f.CPUPerFrame, 20}, // 0.05 cores of ingest are 5 µs a frame
		"user":     {f.UserPerFrame, 10},
		"system":   {f.SystemPerFrame, 15},
		"floor":    {f.FloorPerFrame, 16},
		"ratio":    {f.RatioToFloor, 1.25},
		"total/fl": {f.RatioTotal, 25.0 / 16},
		"tick":     {f.IngestPerTick, 6.25},
		"frames":   {f.FramesPerSecond, 10_000},
		"updates":  {f.UpdatesPerSecond, 200_000},
		"ticks":    {f.TicksPerSecond, 8000},
		"bytes":    {f.FrameBytes, 250},
		"rows":     {f.RowsPerFrame, 20},
		"b/update": {f.BytesPerUpdate, 12.5},
		"c/update": {f.CPUPerUpdate, 1},
		"memory":   {f.ResidentPerSession, 10_000},
		"rested":   {f.CollectedPerSession, 8000},
		"drift":    {Drift(measured().Windows), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestDriftIsTheSpreadOfTheServersWindows(t *testing.T) {
	m := measured()
	m.Windows[3].User += 0.5
	if got, want := Drift(m.Windows), 0.5/2.75; math.Abs(got-want) > 1e-9 {
		t.Errorf("drift %v, want %v", got, want)
	}
}

func TestNothingMeasuredIsStillJSON(t *testing.T) {
	if _, err := json.Marshal(Serve(Measured{})); err != nil {
		t.Error(err)
	}
}

func result(t *testing.T, change func(*Result)) []byte {
	t.Helper()
	r := &Result{Scenario: "fanout", Fanout: &Fanout{Served: Serve(measured())}, Problems: []string{}}
	r.Judge()
	change(r)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestResultIsOneFlatObject(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(result(t, func(*Result) {}), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"scenario", "verdict", "server_cpu_us_per_frame", "server_cpu_us_per_frame_total",
		"floor_cpu_us_per_frame", "ratio_to_floor", "updates_per_s", "bytes_per_update", "resident_bytes_per_session",
		"frames_per_s", "frame_bytes", "age_us", "machine", "versions", "args",
	} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if got["verdict"] != Correct {
		t.Errorf("verdict %v", got["verdict"])
	}
}

func TestVerdict(t *testing.T) {
	r := &Result{Problems: []string{"a row was wrong"}}
	if r.Judge(); r.Verdict != Wrong {
		t.Errorf("verdict %s", r.Verdict)
	}
}

func TestDifferenceShowsChangesAndWhatCameAndWent(t *testing.T) {
	before := result(t, func(*Result) {})
	after := result(t, func(r *Result) {
		r.CPUPerFrame = 15
		r.Lateness = probe.Percentiles{P99: 7}
		r.Latency = Compare(twice(probe.Percentiles{P50: 30, P99: 90}), []probe.Percentiles{{P50: 20, P99: 60}})
	})
	var b strings.Builder
	if err := WriteDifference(&b, before, after); err != nil {
		t.Fatal(err)
	}
	lines := make(map[string]string)
	for line := range strings.Lines(b.String()) {
		fields := strings.Fields(line)
		lines[fields[0]] = strings.Join(fields[1:], " ")
	}
	for path, want := range map[string]string{
		"server_cpu_us_per_frame": "20 15 -25.0 %",
		"floor_cpu_us_per_frame":  "16 16 =",
		"lateness_us.p99":         "- 7",
		"p99_to_nats":             "- 1.500",
	} {
		if lines[path] != want {
			t.Errorf("%s: %q, want %q", path, lines[path], want)
		}
	}
	for path := range lines {
		if strings.HasPrefix(path, "windows") {
			t.Errorf("%s is raw material", path)
		}
	}
	b.Reset()
	if err := WriteDifference(&b, after, before); err != nil || !strings.Contains(b.String(), "p99_to_nats") {
		t.Errorf("what went is not shown: %v", err)
	}
	if err := WriteDifference(&b, []byte("{"), after); err == nil {
		t.Error("a broken result was accepted")
	}
}

func TestTableNamesEveryFigureAndProblem(t *testing.T) {
	r := &Result{Scenario: "fanout", Fanout: &Fanout{Served: Serve(measured())}, Problems: []string{"row 7 was wrong"}, Warnings: []string{"busy"}}
	r.Judge()
	var b strings.Builder
	if err := WriteTable(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ratio_to_floor", "1.250", "wrong", "row 7 was wrong", "busy"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestMeanOfPercentiles(t *testing.T) {
	got := Mean([]probe.Percentiles{{Count: 10, P50: 20, P90: 30, P99: 40, P999: 50, Max: 60}, {Count: 1, P50: 40, P90: 50, P99: 60, P999: 70, Max: 55}})
	if want := (probe.Percentiles{Count: 11, P50: 30, P90: 40, P99: 50, P999: 60, Max: 60}); got != want {
		t.Errorf("mean %+v, want %+v", got, want)
	}
	if got := Mean(nil); got != (probe.Percentiles{}) {
		t.Errorf("mean of nothing is %+v", got)
	}
}

func twice(p probe.Percentiles) []probe.Percentiles { return []probe.Percentiles{p, p} }

// Each window of the peer is held against feedd's on either side of it, and the middle one of all against the middle one of all.
func TestLatencyIsComparedByRounds(t *testing.T) {
	at := func(p50, p99 int64) probe.Percentiles { return probe.Percentiles{Count: 1, P50: p50, P99: p99} }
	l := Compare([]probe.Percentiles{at(10, 40), at(20, 60), at(60, 80)}, []probe.Percentiles{at(10, 25), at(20, 35)})
	if l.P50 != ratio(20, 15) || l.P99 != 2 || l.Feedd.Count != 3 || l.NATS.Count != 2 {
		t.Errorf("in all %+v", l)
	}
	if len(l.Rounds) != 2 || l.Rounds[0].P50 != 1.5 || l.Rounds[0].P99 != 2 || l.Rounds[1].P50 != 2 || l.Rounds[1].P99 != 2 {
		t.Errorf("by rounds %+v", l.Rounds)
	}
}
