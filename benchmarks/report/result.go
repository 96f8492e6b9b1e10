package report

import (
	"slices"
	"time"

	"github.com/feedd/feedd/benchmarks/books"
	"github.com/feedd/feedd/benchmarks/deflate"
	"github.com/feedd/feedd/benchmarks/probe"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/rows"
)

// Result is one run of a scenario. Its JSON is one flat object: figures of the scenario stand beside what
// every result has.
type Result struct {
	Scenario string            `json:"scenario"`
	Started  time.Time         `json:"started"`
	Command  string            `json:"command"`
	Args     any               `json:"args"`
	Machine  proc.Machine      `json:"machine"`
	Versions map[string]string `json:"versions"`

	// Verdict is "correct" or "wrong"; figures of a wrong server mean nothing. Problems say why.
	Verdict  string   `json:"verdict"`
	Problems []string `json:"problems"`
	// Warnings are what may have blurred the figures.
	Warnings []string `json:"warnings"`

	// One of these, by scenario.
	*Fanout
	*Latency
	*Restart
	Storm      *Storm                     `json:"storm,omitempty"`
	Curve      *Curve                     `json:"curve,omitempty"`
	TakenIn    *TakenIn                   `json:"ingest,omitempty"`
	Mix        *Mix                       `json:"mix,omitempty"`
	Stuck      *Stuck                     `json:"stuck,omitempty"`
	Throttled  *Throttled                 `json:"throttle,omitempty"`
	Peers      map[string]Served          `json:"peers,omitempty"`
	Versus     map[string]Versus          `json:"times_as_much_as_feedd,omitempty"`
	Rows       map[string]rows.Figures    `json:"rows,omitempty"`
	Books      map[string]books.Recorded  `json:"books,omitempty"`
	Wire       *Wire                      `json:"wire,omitempty"`
	Cold       *Cold                      `json:"cold,omitempty"`
	Soak       *Soak                      `json:"soak,omitempty"`
	Compressed map[string]deflate.Figures `json:"compressed,omitempty"`
	Ways       Ways                       `json:"ways,omitempty"`
	Depths     []books.Depth              `json:"depths,omitempty"`
}

// Verdicts.
const (
	Correct = "correct"
	Wrong   = "wrong"
)

// Judge sets the verdict from the problems.
func (r *Result) Judge() {
	r.Verdict = Correct
	if len(r.Problems) > 0 {
		r.Verdict = Wrong
	}
}

// Window is one stretch of measuring.
type Window struct {
	// Kind says what was measured: Ingest, Server or Floor.
	Kind    string  `json:"kind"`
	Seconds float64 `json:"seconds"`
	// CPU of the process measured, in seconds.
	User   float64 `json:"cpu_user_s"`
	System float64 `json:"cpu_system_s"`
	Frames int64   `json:"frames"`
	Bytes  int64   `json:"bytes"`
	Ticks  int64   `json:"ticks"` // published meanwhile
	// Frames of the sessions that got the fewest and the most.
	FewestFrames uint32 `json:"fewest_frames"`
	MostFrames   uint32 `json:"most_frames"`
	// CPU of the load generator and of the NATS server with its publisher, and of everything on this
	// machine that is not part of the benchmark, in cores.
	LoadCores    float64 `json:"load_cores"`
	SourceCores  float64 `json:"source_cores"`
	ForeignCores float64 `json:"foreign_cores"`
	// LagMax is how far publishing fell behind its schedule, in milliseconds.
	LagMax float64 `json:"publish_lag_max_ms"`
}

// Kinds of windows.
const (
	Ingest = "ingest" // the server takes ticks in and has no sessions
	Server = "server" // the server with its sessions
	Floor  = "floor"
)

func (w Window) cpu() float64 { return w.User + w.System }

// Fanout are the figures of the scenario of that name.
type Fanout struct {
	Served
	// Drift is how far the server's windows lie apart, as a share of their mean.
	Drift               float64           `json:"server_drift"`
	FinalQuotesCompared int               `json:"final_quotes_compared"`
	Interval            probe.Percentiles `json:"cut_interval_us"`
	MissedBeats         int64             `json:"missed_beats"`

	Windows []Window `json:"windows"`
}

// Latency are the figures of the scenario of that name, over all windows.
type Latency struct {
	LatencyRound
	// Rounds are the windows of the peer, each against feedd's ahead of it and behind it.
	Rounds []LatencyRound `json:"rounds,omitempty"`
}

// LatencyRound is the time from publishing to the client, in microseconds, of both.
type LatencyRound struct {
	Feedd probe.Percentiles `json:"feedd_us"`
	NATS  probe.Percentiles `json:"nats_websocket_us"`
	P50   float64           `json:"p50_to_nats"`
	P99   float64           `json:"p99_to_nats"`
}

// Mean averages the percentiles of several windows, each by itself.
func Mean(windows []probe.Percentiles) probe.Percentiles {
	var m probe.Percentiles
	for _, p := range windows {
		m.Count += p.Count
		m.P50 += p.P50
		m.P90 += p.P90
		m.P99 += p.P99
		m.P999 += p.P999
		m.Max = max(m.Max, p.Max)
	}
	if n := int64(len(windows)); n > 0 {
		m.P50, m.P90, m.P99, m.P999 = m.P50/n, m.P90/n, m.P99/n, m.P999/n
	}
	return m
}

// median is what half of several windows are below, percentile by percentile: a machine that stood still in one of them says
// nothing of the others, and moves a mean of nine p99 by as much as it likes.
func median(windows []probe.Percentiles) probe.Percentiles {
	m := Mean(windows)
	if len(windows) == 0 {
		return m
	}
	middle := func(of func(probe.Percentiles) int64) int64 {
		var all []int64
		for _, w := range windows {
			all = append(all, of(w))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	m.P50 = middle(func(p probe.Percentiles) int64 { return p.P50 })
	m.P90 = middle(func(p probe.Percentiles) int64 { return p.P90 })
	m.P99 = middle(func(p probe.Percentiles) int64 { return p.P99 })
	m.P999 = middle(func(p probe.Percentiles) int64 { return p.P999 })
	return m
}

// Compare sets the windows of the two beside each other, which they had in turns: feedd's one more, ahead of all and behind all. What
// the machine is slower or faster at for a while so counts for both.
func Compare(feedd, nats []probe.Percentiles) *Latency {
	l := &Latency{LatencyRound: against(median(feedd), median(nats))}
	for i, w := range nats {
		l.Rounds = append(l.Rounds, against(Mean(feedd[i:i+2]), w))
	}
	return l
}

func against(feedd, nats probe.Percentiles) LatencyRound {
	return LatencyRound{
		Feedd: feedd, NATS: nats,
		P50: ratio(float64(feedd.P50), float64(nats.P50)), P99: ratio(float64(feedd.P99), float64(nats.P99)),
	}
}
