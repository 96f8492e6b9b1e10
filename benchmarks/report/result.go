package report

import (
	"time"

	"github.com/feedd/feedd/benchmarks/books"
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
	Rows   map[string]rows.Figures   `json:"rows,omitempty"`
	Books  map[string]books.Recorded `json:"books,omitempty"`
	Depths []books.Depth             `json:"depths,omitempty"`
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

// Fanout are the figures of the scenario of that name. CPU is that of the server's process.
type Fanout struct {
	// Net: what ingest alone costs in the same time, measured without sessions, is subtracted.
	ServerCPUPerFrame      float64 `json:"server_cpu_us_per_frame"`
	ServerCPUPerFrameNet   float64 `json:"server_cpu_us_per_frame_net"` // the same figure under its full name
	ServerCPUPerFrameTotal float64 `json:"server_cpu_us_per_frame_total"`
	FloorCPUPerFrame       float64 `json:"floor_cpu_us_per_frame"`
	RatioToFloor           float64 `json:"ratio_to_floor"` // of the net figure
	RatioToFloorTotal      float64 `json:"ratio_to_floor_total"`
	ServerUserPerFrame     float64 `json:"server_user_us_per_frame"` // of the total
	ServerSystemPerFrame   float64 `json:"server_system_us_per_frame"`
	CPUPerUpdate           float64 `json:"server_cpu_us_per_update"` // net
	IngestCPUPerTick       float64 `json:"ingest_cpu_us_per_tick"`
	// Drift is how far the server's windows lie apart, as a share of their mean.
	Drift float64 `json:"server_drift"`

	FramesPerSecond  float64 `json:"frames_per_s"`
	UpdatesPerSecond float64 `json:"updates_per_s"` // rows delivered
	TicksPerSecond   float64 `json:"ticks_per_s"`   // rows published
	FrameBytes       float64 `json:"frame_bytes"`   // WebSocket header included
	RowsPerFrame     float64 `json:"rows_per_frame"`
	BytesPerUpdate   float64 `json:"bytes_per_update"` // frame bytes over rows

	ResidentPerSession float64 `json:"resident_bytes_per_session"`
	// Once the server has collected its garbage.
	CollectedPerSession float64 `json:"resident_bytes_per_session_collected"`
	ResidentWithout     int64   `json:"resident_bytes_without_sessions"`
	ResidentWith        int64   `json:"resident_bytes_with_sessions"`
	JoinSeconds         float64 `json:"join_s"` // until every session had every row
	FinalQuotesCompared int     `json:"final_quotes_compared"`

	Lateness probe.Percentiles `json:"lateness_us"`
	Interval probe.Percentiles `json:"cut_interval_us"`
	Age      probe.Percentiles `json:"age_us"`

	Windows []Window `json:"windows"`
}

// Measured is what Figures are computed from.
type Measured struct {
	Sessions int
	Windows  []Window // in the order measured; at least one of each kind
	// What probes saw in the server's windows.
	ProbeFrames, ProbeRows        int64
	ResidentWithout, ResidentWith int64
	ResidentCollected             int64 // with sessions, garbage collected
}

// Figures computes the figures that follow from m; what does not follow is left to the caller.
func Figures(m Measured) *Fanout {
	ingest, server, floor := sum(m.Windows, Ingest), sum(m.Windows, Server), sum(m.Windows, Floor)
	perFrame := func(seconds float64, w Window) float64 { return ratio(seconds*1e6, float64(w.Frames)) }
	idle := ratio(ingest.cpu(), ingest.Seconds) * server.Seconds // ingest's part of the server's windows
	f := &Fanout{
		ServerCPUPerFrame:      perFrame(server.cpu()-idle, server),
		ServerCPUPerFrameTotal: perFrame(server.cpu(), server),
		FloorCPUPerFrame:       perFrame(floor.cpu(), floor),
		ServerUserPerFrame:     perFrame(server.User, server),
		ServerSystemPerFrame:   perFrame(server.System, server),
		IngestCPUPerTick:       ratio(ingest.cpu()*1e6, float64(ingest.Ticks)),
		Drift:                  drift(m.Windows),
		FramesPerSecond:        ratio(float64(server.Frames), server.Seconds),
		TicksPerSecond:         ratio(float64(server.Ticks), server.Seconds),
		FrameBytes:             ratio(float64(server.Bytes), float64(server.Frames)),
		RowsPerFrame:           ratio(float64(m.ProbeRows), float64(m.ProbeFrames)),
		ResidentPerSession:     ratio(float64(m.ResidentWith-m.ResidentWithout), float64(m.Sessions)),
		CollectedPerSession:    ratio(float64(m.ResidentCollected-m.ResidentWithout), float64(m.Sessions)),
		ResidentWithout:        m.ResidentWithout,
		ResidentWith:           m.ResidentWith,
		Windows:                m.Windows,
	}
	f.ServerCPUPerFrameNet = f.ServerCPUPerFrame
	f.RatioToFloor = ratio(f.ServerCPUPerFrame, f.FloorCPUPerFrame)
	f.RatioToFloorTotal = ratio(f.ServerCPUPerFrameTotal, f.FloorCPUPerFrame)
	f.UpdatesPerSecond = f.FramesPerSecond * f.RowsPerFrame
	f.CPUPerUpdate = ratio(f.ServerCPUPerFrame, f.RowsPerFrame)
	f.BytesPerUpdate = ratio(f.FrameBytes, f.RowsPerFrame)
	return f
}

func sum(windows []Window, kind string) Window {
	var s Window
	for _, w := range windows {
		if w.Kind == kind {
			s.Seconds += w.Seconds
			s.User += w.User
			s.System += w.System
			s.Frames += w.Frames
			s.Bytes += w.Bytes
			s.Ticks += w.Ticks
		}
	}
	return s
}

// drift is the distance between the cheapest and the dearest frame of the server's windows over their
// mean.
func drift(windows []Window) float64 {
	var lo, hi, total float64
	n := 0
	for _, w := range windows {
		if w.Kind != Server {
			continue
		}
		c := ratio(w.cpu(), float64(w.Frames))
		if n == 0 {
			lo, hi = c, c
		}
		lo, hi = min(lo, c), max(hi, c)
		total += c
		n++
	}
	return ratio(hi-lo, total/float64(max(n, 1)))
}

// ratio is 0 where there is nothing to divide by: JSON knows no infinity.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Latency are the figures of the scenario of that name: from publishing to the client, in microseconds.
type Latency struct {
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

// Compare sets the two beside each other.
func Compare(feedd, nats probe.Percentiles) *Latency {
	return &Latency{
		Feedd: feedd, NATS: nats,
		P50: ratio(float64(feedd.P50), float64(nats.P50)), P99: ratio(float64(feedd.P99), float64(nats.P99)),
	}
}
