package plots

import (
	"bytes"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Series is one line over time.
type Series struct {
	Name, Unit string
	X, Y       []float64 // minutes, and values
}

var (
	green   = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	palette = []color.Color{blue, orange, green}
)

// Soak draws panels of series over the same time, one below the other. Faults are marked with ticks below the first panel's
// upper edge, and the end of the warm-up with a line.
func Soak(panels [][]Series, faults []float64, warmup float64) ([]byte, error) {
	const width, height = 18 * vg.Centimeter, 5.5 * vg.Centimeter
	canvas := vgsvg.New(width, height*vg.Length(len(panels)))
	all := draw.New(canvas)
	for n, series := range panels {
		p, err := panel(series, faults, warmup)
		if err != nil {
			return nil, err
		}
		if n == len(panels)-1 {
			p.X.Label.Text = "minutes; marks are faults"
		}
		top := all.Max.Y - height*vg.Length(n)
		p.Draw(draw.Canvas{Canvas: all.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: all.Min.X, Y: top - height}, Max: vg.Point{X: all.Max.X, Y: top}}})
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	return styled(b.Bytes())
}

func panel(series []Series, faults []float64, warmup float64) (*plot.Plot, error) {
	p := blank("", "")
	p.Legend.Top, p.Legend.Left = false, true
	top, end := 0.0, 0.0
	for n, s := range series {
		points := make(plotter.XYs, len(s.X))
		for i := range s.X {
			points[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
			top, end = math.Max(top, s.Y[i]), math.Max(end, s.X[i])
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = palette[n%len(palette)], vg.Points(1.2)
		p.Add(line)
		name := s.Name
		if s.Unit != "" {
			name += ", " + s.Unit
		}
		p.Legend.Add(name, line)
	}
	top = math.Max(top*1.15, 1e-9)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, end, 0, top
	for _, at := range faults {
		if err := upright(p, at, 0.96*top, top, ink); err != nil {
			return nil, err
		}
	}
	return p, upright(p, warmup, 0, top, faint)
}

// upright adds a line from one height to another.
func upright(p *plot.Plot, x, from, to float64, c color.Color) error {
	line, err := plotter.NewLine(plotter.XYs{{X: x, Y: from}, {X: x, Y: to}})
	if err != nil {
		return err
	}
	line.Color, line.Width = c, vg.Points(1)
	p.Add(line)
	return nil
}
