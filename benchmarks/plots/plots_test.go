package plots

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/feedd/feedd/benchmarks/report"
)

func TestCurvesAreDrawnForLightAndDark(t *testing.T) {
	c := &report.Curve{Of: "sessions"}
	for i, x := range []float64{1000, 5000, 19000} {
		c.Points = append(c.Points, report.Point{X: x, Served: report.Served{CPUPerFrame: 12 + float64(i), FloorPerFrame: 10}})
	}
	dir := t.TempDir()
	s := &report.Suite{Results: map[string]*report.Result{"curve-sessions": {Curve: c}, "curve-ticks": {}}}
	if err := Write(s, dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "sessions.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"prefers-color-scheme:dark", "19000", "CPU per frame", "fill:#1F2328", "stroke:#D0D7DE"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ticks.svg")); err == nil {
		t.Error("a curve without points was drawn")
	}
}

func TestSoakIsDrawn(t *testing.T) {
	line := Series{Name: "goroutines", X: []float64{0, 1, 2}, Y: []float64{5, 9, 5}}
	svg, err := Soak([][]Series{{line}, {line, line}}, []float64{0.5}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<style>", "goroutines", "minutes; marks are faults"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("no %q in the picture", want)
		}
	}
}
