package report

// Curve are the figures of one scenario as one thing grows.
type Curve struct {
	Name   string  `json:"name"`
	Of     string  `json:"of"`
	Unit   string  `json:"unit,omitempty"`
	Points []Point `json:"points"`
	// Growths are how the last point's cost relates to the first one's, as a share: 0.05 is 5 % more.
	GrowthPerFrame  float64 `json:"growth_of_cpu_per_frame"`
	GrowthPerUpdate float64 `json:"growth_of_cpu_per_update"`
}

// Point is one of a curve.
type Point struct {
	X float64 `json:"x"`
	Served
}

// Growth computes what follows from the points.
func (c *Curve) Growth() {
	if len(c.Points) < 2 {
		return
	}
	first, last := c.Points[0], c.Points[len(c.Points)-1]
	c.GrowthPerFrame = ratio(last.CPUPerFrame, first.CPUPerFrame) - 1
	c.GrowthPerUpdate = ratio(last.CPUPerUpdate, first.CPUPerUpdate) - 1
}

// At returns the point at x.
func (c *Curve) At(x float64) (Point, bool) {
	for _, p := range c.Points {
		if p.X == x {
			return p, true
		}
	}
	return Point{}, false
}
