package probe

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Record is what probes have measured since the last Take. One goroutine owns it and its probes.
type Record struct {
	lateness *hdrhistogram.Histogram
	age      *hdrhistogram.Histogram
	delay    *hdrhistogram.Histogram
	interval *hdrhistogram.Histogram

	frames, rows, full, conflated int64
	books, trades, lost, grants   int64
	missed                        int64 // beats

	// Not reset: a wrong server stays wrong.
	problems int64
	texts    []string
}

// maxTexts bounds how many problems are told in words; all are counted.
const maxTexts = 10

// NewRecord returns an empty record.
func NewRecord() *Record {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }
	return &Record{lateness: h(), age: h(), delay: h(), interval: h()}
}

func (r *Record) problem(format string, args ...any) {
	r.problems++
	if len(r.texts) < maxTexts {
		r.texts = append(r.texts, fmt.Sprintf(format, args...))
	}
}

// Figures are a Record in numbers. Times are in microseconds.
type Figures struct {
	// Frames that held rows, rows in them, how many of those were full, and updates merged into them.
	Frames    int64 `json:"frames"`
	Rows      int64 `json:"rows"`
	Full      int64 `json:"full_rows"`
	Conflated int64 `json:"conflated"`
	// Rows of books; trades, and those that were reported lost; grants.
	Books  int64 `json:"book_rows,omitempty"`
	Trades int64 `json:"trades,omitempty"`
	Lost   int64 `json:"trades_lost,omitempty"`
	Grants int64 `json:"grants,omitempty"`
	// MissedBeats are those without a frame, of sessions that each beat has something for.
	MissedBeats int64 `json:"missed_beats,omitempty"`
	// From the beat at which a frame was due to its arrival here. A beat that was missed counts as often as it would have
	// been seen: with the time that it waited for the next frame.
	Lateness Percentiles `json:"lateness_us"`
	// From one cut of a session to its next.
	Interval Percentiles `json:"interval_us"`
	// From the exchange's time of the newest tick in a row to its arrival here; exact to 2 ms.
	Age Percentiles `json:"age_us"`
	// From publishing to arrival here, where the publisher stamps its quotes; exact.
	Delay Percentiles `json:"delay_us"`
	// Rows that broke a rule since the probes began, the first of them in words.
	Problems int64    `json:"problems"`
	Texts    []string `json:"problem_texts,omitempty"`
}

// Percentiles sum up a histogram; all are 0 where nothing was recorded.
type Percentiles struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50"`
	P90   int64 `json:"p90"`
	P99   int64 `json:"p99"`
	P999  int64 `json:"p999"`
	Max   int64 `json:"max"`
}

// Take returns what was measured since it was called last.
func (r *Record) Take() Figures {
	f := r.Figures()
	r.Reset()
	return f
}

// Figures returns what was measured since the last Reset.
func (r *Record) Figures() Figures { return Sum([]*Record{r}) }

// Reset begins anew. Problems stay.
func (r *Record) Reset() {
	r.frames, r.rows, r.full, r.conflated = 0, 0, 0, 0
	r.books, r.trades, r.lost, r.grants, r.missed = 0, 0, 0, 0, 0
	for _, h := range []*hdrhistogram.Histogram{r.lateness, r.age, r.delay, r.interval} {
		h.Reset()
	}
}

// Sum returns the figures of several records together.
func Sum(records []*Record) Figures {
	sum := NewRecord()
	var f Figures
	for _, r := range records {
		f.Frames += r.frames
		f.Rows += r.rows
		f.Full += r.full
		f.Conflated += r.conflated
		f.Books += r.books
		f.Trades += r.trades
		f.Lost += r.lost
		f.Grants += r.grants
		f.MissedBeats += r.missed
		f.Problems += r.problems
		f.Texts = append(f.Texts, r.texts...)
		sum.lateness.Merge(r.lateness)
		sum.age.Merge(r.age)
		sum.delay.Merge(r.delay)
		sum.interval.Merge(r.interval)
	}
	f.Texts = f.Texts[:min(len(f.Texts), maxTexts)]
	f.Lateness, f.Age = PercentilesOf(sum.lateness), PercentilesOf(sum.age)
	f.Delay, f.Interval = PercentilesOf(sum.delay), PercentilesOf(sum.interval)
	return f
}

// PercentilesOf sums up a histogram of microseconds.
func PercentilesOf(h *hdrhistogram.Histogram) Percentiles {
	return Percentiles{
		Count: h.TotalCount(),
		P50:   h.ValueAtPercentile(50),
		P90:   h.ValueAtPercentile(90),
		P99:   h.ValueAtPercentile(99),
		P999:  h.ValueAtPercentile(99.9),
		Max:   h.Max(),
	}
}

// record keeps values within the range of the histograms: clocks are read with a grain of their own, so a
// time a little below zero means at once.
func record(h *hdrhistogram.Histogram, us int64) {
	_ = h.RecordValue(min(max(us, 1), h.HighestTrackableValue()))
}
