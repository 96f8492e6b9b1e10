package soak

import (
	"errors"
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Sample is what a process had at one moment.
type Sample struct {
	At          time.Duration // since the start
	Connections float64
	Value       float64
	// Calm: nothing is going wrong, and nobody is on the way back.
	Calm bool
}

// Slope is what a series does in the long run, apart from what it owes to the number of connections.
type Slope struct {
	PerHour float64 `json:"per_hour"`
	// Low and High are the ends of the interval that holds the slope with a confidence of 95 %.
	Low  float64 `json:"low_95"`
	High float64 `json:"high_95"`
	// PerConnection is how much one more connection adds.
	PerConnection float64 `json:"per_connection"`
	Mean          float64 `json:"mean"`
	// Points that it was fitted to: the means of calm stretches, so that they do not depend on each other.
	Points int `json:"points"`
	// Resolution is half of the interval's width: what a slope must have to be seen in a run of this length.
	Resolution float64 `json:"resolution"`
}

// block is the longest stretch that counts as one point.
const block = 15 * time.Second

// point is the mean of a calm stretch.
type point struct{ hours, connections, value float64 }

// points are the means of the calm stretches between two faults.
func points(samples []Sample) []point {
	var (
		all   []point
		sum   point
		n     float64
		began time.Duration
	)
	finish := func() {
		if n > 0 {
			all = append(all, point{sum.hours / n, sum.connections / n, sum.value / n})
		}
		sum, n = point{}, 0
	}
	for _, s := range samples {
		if !s.Calm || n > 0 && s.At-began >= block {
			finish()
		}
		if !s.Calm {
			continue
		}
		if n == 0 {
			began = s.At
		}
		sum.hours += s.At.Hours()
		sum.connections += s.Connections
		sum.value += s.Value
		n++
	}
	finish()
	return all
}

// leastPoints is how many calm stretches a fit needs to tell anything.
const leastPoints = 6

// Fit finds the slope of what is left when the part of the connections is taken away, by least squares:
// value = a + slope × time + c × connections.
func Fit(samples []Sample) (Slope, error) {
	all := points(samples)
	n := len(all)
	if n < leastPoints {
		return Slope{}, fmt.Errorf("%d calm stretches: want at least %d; a longer soak has more", n, leastPoints)
	}
	var mean point
	for _, p := range all {
		mean.hours += p.hours / float64(n)
		mean.connections += p.connections / float64(n)
		mean.value += p.value / float64(n)
	}
	// Centred, so that neither the size of the values nor the hour of the start costs digits.
	columns, varied := 1, 0.0
	for _, p := range all {
		varied = math.Max(varied, math.Abs(p.connections-mean.connections))
	}
	if varied > 1e-9 {
		columns = 2
	}
	x, y := mat.NewDense(n, columns, nil), mat.NewVecDense(n, nil)
	for i, p := range all {
		x.Set(i, 0, p.hours-mean.hours)
		if columns == 2 {
			x.Set(i, 1, p.connections-mean.connections)
		}
		y.SetVec(i, p.value-mean.value)
	}
	return solve(x, y, mean.value)
}

func solve(x *mat.Dense, y *mat.VecDense, mean float64) (Slope, error) {
	n, columns := x.Dims()
	var square, inverse mat.Dense
	square.Mul(x.T(), x)
	if err := inverse.Inverse(&square); err != nil {
		return Slope{}, errors.New("time and connections move together: their parts cannot be told apart")
	}
	var xy, b, fitted, left mat.VecDense
	xy.MulVec(x.T(), y)
	b.MulVec(&inverse, &xy)
	fitted.MulVec(x, &b)
	left.SubVec(y, &fitted)
	degrees := float64(n - columns - 1)
	spread := mat.Dot(&left, &left) / degrees
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile(0.975) * math.Sqrt(spread*inverse.At(0, 0))
	s := Slope{PerHour: b.AtVec(0), Mean: mean, Points: n, Resolution: half}
	s.Low, s.High = s.PerHour-half, s.PerHour+half
	if columns == 2 {
		s.PerConnection = b.AtVec(1)
	}
	return s, nil
}

// Verdict is what a slope means.
type Verdict string

// Verdicts on slopes.
const (
	Zero    Verdict = "zero"    // zero is within the interval, or the slope is too small to matter
	Grows   Verdict = "grows"   // it is not, and does
	Unclear Verdict = "unclear" // the run was too short or too unsteady: a slope that matters would not be seen
)

// Judge says what the slope means, where up to negligible an hour does not matter and visible is what a run must be able to see.
func (s Slope) Judge(negligible, visible float64) Verdict {
	switch {
	case s.Low > negligible:
		return Grows
	case s.Resolution > visible:
		return Unclear
	}
	return Zero
}
