package plots

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/feedd/feedd/benchmarks/sizing"
)

// shown is the fleet whose cases are drawn: the largest that is run.
const shown = 1_000_000

// strokes tell lines apart by more than their colour.
var strokes = []struct {
	color  color.Color
	dashes []vg.Length
}{
	{blue, nil},
	{orange, []vg.Length{vg.Points(7), vg.Points(3)}},
	{green, []vg.Length{vg.Points(2), vg.Points(2)}},
	{purple, []vg.Length{vg.Points(9), vg.Points(3), vg.Points(2), vg.Points(3)}},
}

// sheet is one plot of cases, by name, with what the legend calls them.
type sheet struct {
	file, y string
	cases   [][2]string
	value   func(*sizing.Outcome) []float64
	least   float64 // of the vertical axis
	most    float64 // 0: what comes
	below   bool    // the legend is at the bottom
	legend  vg.Length
	until   int // seconds that are shown; 0: all
}

func sheets() []sheet {
	live := func(o *sizing.Outcome) []float64 { return times(o.Series.Live, 100) }
	return []sheet{
		{
			file: "sizing-waves", y: "clients live and fresh, %", value: live, most: 102, below: true, legend: 6.8 * vg.Centimeter, until: 40,
			cases: [][2]string{
				{"a node is killed", "node killed"},
				{"a node is killed, the balancer does not retry", "node killed, no second try"},
				{"a zone falls silent", "zone silent"},
				{"every connection is cut at once", "all cut at once"},
			},
		},
		{
			file: "sizing-handshakes", y: "thousand handshakes/s", legend: 5 * vg.Centimeter, until: 40,
			value: func(o *sizing.Outcome) []float64 { return times(o.Series.Handshakes, 1e-3) },
			cases: [][2]string{
				{"every connection is cut at once, no admission rate", "all cut, no admission rate"},
				{"every connection is cut at once", "all cut"},
				{"a zone falls silent, no admission rate", "zone silent, no admission rate"},
				{"a zone falls silent", "zone silent"},
			},
		},
		{
			file: "sizing-rolling", y: "clients live and fresh, %", value: live, least: 80, most: 101, below: true, legend: 5 * vg.Centimeter,
			cases: [][2]string{{"a rolling restart", "the emptier of two"}, {"a rolling restart, always to the fewest connections", "always to the emptiest"}, {"a rolling restart, drain.peers left at 1", "nodes know of no others"}},
		},
	}
}

func times(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

// WriteSizing draws the cases of a study into dir.
func WriteSizing(st *sizing.Study, dir string) error {
	var failed error
	for _, d := range sheets() {
		b, err := d.draw(st)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, d.file+".svg"), b, 0o644)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("plot %s: %w", d.file, err))
		}
	}
	return failed
}

func (d sheet) draw(st *sizing.Study) ([]byte, error) {
	p := blank("seconds", d.y)
	// Words come right of their lines: they are wider in the reader's fonts than in those that the library reckons with.
	p.Legend.Top, p.Legend.Left, p.Legend.ThumbnailWidth = !d.below, true, vg.Points(32)
	p.Legend.XOffs, p.Legend.YOffs, p.Legend.Padding = d.legend, vg.Points(4), vg.Points(2)
	if !d.below {
		p.Legend.YOffs = -vg.Points(8)
	}
	top, until := d.most, d.until
	for _, named := range d.cases {
		if o := st.Case(shown, named[0]); o != nil && d.until == 0 {
			until = max(until, len(d.value(o)))
		}
	}
	for i, named := range d.cases {
		o := st.Case(shown, named[0])
		if o == nil {
			return nil, fmt.Errorf("no case %q of %d clients", named[0], shown)
		}
		values := d.value(o)
		points := make(plotter.XYs, until)
		for at := range points {
			v := values[min(at, len(values)-1)] // a case ends when nothing changes any more
			points[at] = plotter.XY{X: float64(at + 1), Y: v}
			if d.most == 0 {
				top = math.Max(top, 1.1*v)
			}
		}
		drawn, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		drawn.Color, drawn.Width, drawn.Dashes = strokes[i].color, vg.Points(2), strokes[i].dashes
		p.Add(drawn)
		p.Legend.Add(named[1], drawn)
	}
	p.Y.Min, p.Y.Max = d.least, top
	const room = 1.04 // for half of the last label
	p.X.Min, p.X.Max = 0, room*float64(until)
	p.X.Tick.Marker = every(until)
	return finish(p, 16*vg.Centimeter, 8*vg.Centimeter)
}

// every marks round seconds, some eight of them.
func every(until int) plot.ConstantTicks {
	step := 5
	for until/step > 10 {
		step *= 2
	}
	var ticks []plot.Tick
	for at := 0; at <= until; at += step {
		ticks = append(ticks, plot.Tick{Value: float64(at), Label: fmt.Sprint(at)})
	}
	return ticks
}
