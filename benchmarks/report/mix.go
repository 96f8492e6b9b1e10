package report

import (
	"github.com/feedd/feedd/benchmarks/load"
	"github.com/feedd/feedd/benchmarks/probe"
)

// Mix are the figures of the scenario of that name. What counts per frame or row there is a mean over sessions as
// different as they are, so Classes tell more.
type Mix struct {
	Served
	// Recorded says that ticks came at recorded intervals.
	Recorded       bool    `json:"recorded_intervals"`
	Classes        []Class `json:"classes"`
	QuotesCompared int     `json:"final_quotes_compared"`
	BooksCompared  int     `json:"final_books_compared"`
}

// Class is what one kind of sessions was sent.
type Class struct {
	Name            string  `json:"name"`
	Sessions        int     `json:"sessions"`
	FramesPerSecond float64 `json:"frames_per_session_second"`
	BytesPerSecond  float64 `json:"bytes_per_session_second"`
	RowsPerFrame    float64 `json:"rows_per_frame"`
	// TicksPerUpdate is how many ticks a row of a quote stands for.
	TicksPerUpdate float64           `json:"ticks_per_update"`
	Trades         int64             `json:"trades"`
	BookRows       int64             `json:"book_rows"`
	Lateness       probe.Percentiles `json:"lateness_us"`
	Age            probe.Percentiles `json:"age_us"`
}

// Add adds a class that was measured for so many seconds.
func (m *Mix) Add(sessions int, seconds float64, g load.GroupWindow) {
	p, over := g.Probes, seconds*float64(sessions)
	m.Classes = append(m.Classes, Class{
		Name: g.Name, Sessions: sessions,
		FramesPerSecond: ratio(float64(g.Frames), over), BytesPerSecond: ratio(float64(g.Bytes), over),
		RowsPerFrame: ratio(float64(p.Rows), float64(p.Frames)), TicksPerUpdate: ratio(float64(p.Rows+p.Conflated), float64(p.Rows)),
		Trades: p.Trades, BookRows: p.Books, Lateness: p.Lateness, Age: p.Age,
	})
}
