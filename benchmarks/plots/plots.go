// Package plots draws the curves of a suite as SVG that can be read on light and on dark pages, in colours that
// people with any colour vision can tell apart (Okabe and Ito).
package plots

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/feedd/feedd/benchmarks/report"
)

var (
	ink    = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	faint  = color.RGBA{0xd0, 0xd7, 0xde, 0xff}
	blue   = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	orange = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	purple = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
)

// Ink turns light on dark pages. Rules of a style sheet win over the presentation that the drawing library writes.
const style = `<style>text{font-family:system-ui,sans-serif!important}@media (prefers-color-scheme:dark){` +
	`[style*="fill:#1F2328"]{fill:#E6EDF3!important}[style*="stroke:#1F2328"]{stroke:#E6EDF3!important}` +
	`[style*="stroke:#D0D7DE"]{stroke:#3D444D!important}}</style>`

// line is one of a plot.
type line struct {
	name  string
	color color.Color
	value func(report.Point) float64
}

// Write draws every curve that the suite has into dir.
func Write(s *report.Suite, dir string) error {
	perFrame := []line{
		{"feedd", blue, func(p report.Point) float64 { return p.CPUPerFrame }},
		{"floor", orange, func(p report.Point) float64 { return p.FloorPerFrame }},
	}
	perUpdate := []line{{"feedd", blue, func(p report.Point) float64 { return p.CPUPerUpdate }}}
	memory := []line{{"feedd", blue, func(p report.Point) float64 { return p.CollectedPerSession / 1000 }}}
	var failed error
	for _, d := range []struct {
		step, file, y string
		lines         []line
	}{
		{"curve-sessions", "sessions", "CPU per frame, µs", perFrame},
		{"curve-instruments", "instruments", "CPU per frame, µs", perFrame},
		{"curve-instruments", "updates", "CPU per update, µs", perUpdate},
		{"curve-instruments", "memory", "KB a session", memory},
		{"curve-ticks", "ticks", "CPU per frame, µs", perFrame[:1]},
		{"curve-cadence", "cadence", "CPU per frame, µs", perFrame[:1]},
	} {
		r := s.Results[d.step]
		if r == nil || r.Curve == nil || len(r.Curve.Points) < 2 {
			continue
		}
		b, err := draw1(r.Curve, d.y, d.lines)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, d.file+".svg"), b, 0o644)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("plot %s: %w", d.file, err))
		}
	}
	return failed
}

// draw1 draws one plot.
func draw1(c *report.Curve, y string, lines []line) ([]byte, error) {
	x := c.Of
	if c.Unit != "" {
		x += ", " + c.Unit
	}
	p := blank(x, y)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, at(c)
	top := 0.0
	for n, l := range lines {
		points := make(plotter.XYs, len(c.Points))
		for i, at := range c.Points {
			points[i] = plotter.XY{X: at.X, Y: l.value(at)}
			top = math.Max(top, points[i].Y)
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		drawn.Color, drawn.Width, dots.Color = l.color, vg.Points(2), l.color
		dots.Shape, dots.Radius = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}}[n%2], vg.Points(3)
		p.Add(drawn, dots)
		if len(lines) > 1 {
			p.Legend.Add(l.name+"\u00a0\u00a0", drawn, dots) // letters may be wider than reckoned with
		}
	}
	p.Legend.XOffs, p.Legend.YOffs, p.Legend.Padding = -vg.Points(4), -vg.Points(2), vg.Points(5)
	const room = 1.4 // for half of the last label, on a scale of logarithms and in letters that may be wider than those that were reckoned with
	p.X.Max *= room
	p.Y.Min, p.Y.Max = 0, math.Max(top*1.3, 1e-9) // for the legend
	return finish(p, 12*vg.Centimeter, 7*vg.Centimeter)
}

// blank is a plot without lines, on no background: that of the page is there.
func blank(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Label.TextStyle.Color, a.Tick.Label.Color, a.Tick.Color = ink, ink, ink, ink
	}
	p.Legend.TextStyle.Color, p.Legend.Top = ink, true
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = faint, color.Transparent
	p.Add(grid)
	return p
}

// finish draws p as SVG.
func finish(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, err
	}
	return styled(b.Bytes())
}

// styled puts the style into a picture, behind its opening tag.
func styled(svg []byte) ([]byte, error) {
	open := bytes.Index(svg, []byte("<svg"))
	end := bytes.IndexByte(svg[max(open, 0):], '>')
	if open < 0 || end < 0 {
		return nil, errors.New("the drawing library wrote no svg element")
	}
	cut := open + end + 1
	return append(append(append([]byte(nil), svg[:cut]...), style...), svg[cut:]...), nil
}

// at marks the points that were measured.
func at(c *report.Curve) plot.ConstantTicks {
	var ticks []plot.Tick
	for _, p := range c.Points {
		ticks = append(ticks, plot.Tick{Value: p.X, Label: fmt.Sprint(p.X)})
	}
	return ticks
}
