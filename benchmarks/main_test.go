package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/benchmarks/floor"
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/report"
)

func TestWrongCommandLinesSayWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"-scenario hail", "fanout"},
		{"-sessions 0", "1 to 19000"},
		{"-sessions 20000", "1 to 19000"},
		{"-per-session 21 -instruments 20", "1 to the 20"},
		{"-tick-hz 0", "more than 0"},
		{"-burst 0.5", "at least 1"},
		{"-cadence 1500us", "whole milliseconds"},
		{"-cadence -1s", "whole milliseconds"},
		{"-sessions 5 -probes 6", "number of sessions"},
		{"-window 10ms", "1s to 10m"},
		{"-warmup 0s", "1s to 10m"},
		{"-rounds 101", "1 to 100"}, {"-scenario peers -rounds 0", "1 to 100"},
		{"-pin maybe", "on, off or auto"},
		{"-distribution normal", "uniform or zipf"},
		{"-cohorts -1", "0 (each session its own set)"},
		{"-scenario rows -cadence 0s", "more than 0"},
		{"-scenario rows -ticks=", "FEEDD_TICKS"},
		{"-scenario curve", "sessions, ticks"},
		{"-scenario peers -peers nginx", "none of feedd's peers"},
		{"-deflate never", "off, auto or always"},
		{"-speak morse", "feed-json"},
		{"now", "unknown argument"},
		{"-speed 3", "not defined"},
		{"bench -only nothing", "want some of fanout"},
		{"bench -only fanout,latenzy", `"latenzy" is no step`},
		{"bench -fast", "not defined"},
		{"compare one", "want two results"},
		{"compare no such", "no such file"},
	} {
		err := command(context.Background(), strings.Fields(c.args), io.Discard, io.Discard)
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.args, err, c.want)
		}
	}
}

func TestDefaultsAreSound(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil || o.Scenario != "fanout" || o.Sessions != 5000 || o.Cadence != 250*time.Millisecond {
		t.Errorf("options %+v, error %v", o, err)
	}
}

func TestLatencyHasDefaultsOfItsOwn(t *testing.T) {
	o, err := parse([]string{"-scenario", "latency"}, io.Discard)
	if err != nil || o.Sessions != 20 || o.Probes != 20 || o.Cadence != 0 || o.Pin != "off" {
		t.Errorf("options %+v, error %v", o, err)
	}
	o, err = parse([]string{"-scenario", "latency", "-sessions", "7", "-cadence", "20ms", "-pin", "on"}, io.Discard)
	if err != nil || o.Sessions != 7 || o.Probes != 7 || o.Cadence != 20*time.Millisecond || o.Pin != "on" {
		t.Errorf("options %+v, error %v", o, err)
	}
}

func TestCompareReadsSavedResults(t *testing.T) {
	dir := t.TempDir()
	for name, figure := range map[string]string{"a.json": "10", "b.json": "12"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"ratio_to_floor":`+figure+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	err := command(context.Background(), []string{"compare", filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")}, &out, io.Discard)
	if err != nil || !strings.Contains(out.String(), "+20.0 %") {
		t.Errorf("%s, error %v", out.String(), err)
	}
	if got := resultPath("base"); got != filepath.Join("results", "base.json") {
		t.Errorf("a bare name is kept at %s", got)
	}
}

func TestServerTellsItsAddresses(t *testing.T) {
	var r run
	for _, line := range []string{"dashboard  http://127.0.0.1:1/", "websocket  ws://127.0.0.1:2/v1/ws", "admin      http://127.0.0.1:3/", ""} {
		if ready, err := r.heard(line); ready || err != nil {
			t.Errorf("%q: ready %v, error %v", line, ready, err)
		}
	}
	if ready, err := r.heard("ready"); !ready || err != nil || r.websocket != "127.0.0.1:2" || r.admin != "http://127.0.0.1:3/" {
		t.Errorf("ready %v, error %v, %+v", ready, err, r)
	}
	if _, err := new(run).heard("ready"); err == nil {
		t.Error("ready without an address was accepted")
	}
}

func TestFloorFollowsTheServer(t *testing.T) {
	beats := make([]int64, load.BeatSlices)
	beats[7] = 100
	w := report.Window{Seconds: 10, Frames: 200_000, Bytes: 51_000_000}
	p := floorPlan(w, 5000, 250*time.Millisecond, beats)
	if p.Sockets != 5000 || p.Interval != 250*time.Millisecond || p.FrameBytes != 255 || !slices.Equal(p.Spread, beats) {
		t.Errorf("plan %+v", p)
	}
	w.Frames /= 4 // a quiet market
	if p := floorPlan(w, 5000, 250*time.Millisecond, beats); p.Interval != time.Second || !slices.Equal(p.Spread, floor.Even(250)) {
		t.Errorf("plan %+v", p)
	}
	if p := floorPlan(report.Window{Seconds: 10}, 5000, 0, nil); p.Interval != 0 {
		t.Errorf("plan %+v for a server that sends nothing", p)
	}
}

func TestBlurNamesTheWindow(t *testing.T) {
	quiet := report.Window{Kind: report.Server, Seconds: 10, Frames: 1000, LoadCores: 0.5, SourceCores: 0.1}
	if got := blur([]report.Window{quiet}); len(got) != 0 {
		t.Errorf("a quiet run is blurred by %q", got)
	}
	loud := report.Window{Kind: report.Floor, Seconds: 10, Frames: 900, LoadCores: 0.9, SourceCores: 0.1, ForeignCores: 0.5, LagMax: 30}
	got := strings.Join(blur([]report.Window{quiet, loud}), "\n")
	for _, want := range []string{"window 2 (floor): other programs used 0.50", "90 frames/s, while the server sent 100", "clients and market used 1.00", "30 ms behind"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
}

// Every step of the suite is a command line that parses, so that none is found wrong after ten minutes.
func TestStepsOfTheSuiteParse(t *testing.T) {
	for _, st := range steps {
		if _, err := parse(strings.Fields(st.args), io.Discard); err != nil {
			t.Errorf("%s: %v", st.name, err)
		}
	}
}
