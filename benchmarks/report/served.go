package report

import "github.com/feedd/feedd/benchmarks/probe"

// Served is what one server costs under one load. CPU is that of its process.
type Served struct {
	Sessions int `json:"sessions"`
	// Net: what ingest alone costs in the same time, measured without sessions, is subtracted.
	CPUPerFrame      float64 `json:"server_cpu_us_per_frame"`
	CPUPerFrameTotal float64 `json:"server_cpu_us_per_frame_total"`
	CPUPerUpdate     float64 `json:"server_cpu_us_per_update"` // net
	// CPUPerSession is that of a session and second, net: it does not depend on how updates are cut into frames.
	CPUPerSession  float64 `json:"server_cpu_us_per_session_second"`
	UserPerFrame   float64 `json:"server_user_us_per_frame"` // of the total
	SystemPerFrame float64 `json:"server_system_us_per_frame"`
	Cores          float64 `json:"server_cores"` // all that it used
	IngestPerTick  float64 `json:"ingest_cpu_us_per_tick"`
	IngestCores    float64 `json:"ingest_cores"`
	FloorPerFrame  float64 `json:"floor_cpu_us_per_frame,omitempty"`
	RatioToFloor   float64 `json:"ratio_to_floor,omitempty"` // of the net figure
	RatioTotal     float64 `json:"ratio_to_floor_total,omitempty"`

	FramesPerSecond  float64 `json:"frames_per_s"`
	UpdatesPerSecond float64 `json:"updates_per_s"` // rows delivered
	TicksPerSecond   float64 `json:"ticks_per_s"`   // rows published
	FrameBytes       float64 `json:"frame_bytes"`   // WebSocket header included
	RowsPerFrame     float64 `json:"rows_per_frame"`
	BytesPerUpdate   float64 `json:"bytes_per_update"` // frame bytes over rows
	BytesPerSession  float64 `json:"bytes_per_session_second"`
	// TicksPerUpdate is how many ticks a row stands for.
	TicksPerUpdate float64 `json:"ticks_per_update,omitempty"`
	PackedShare    float64 `json:"packed_share,omitempty"` // of the frames, those that were compressed

	ResidentPerSession float64 `json:"resident_bytes_per_session"`
	// Once the server has collected its garbage.
	CollectedPerSession float64 `json:"resident_bytes_per_session_collected"`
	ResidentWithout     int64   `json:"resident_bytes_without_sessions"`
	ResidentWith        int64   `json:"resident_bytes_with_sessions"`

	JoinSeconds float64           `json:"join_s"` // until every session had every row
	Lateness    probe.Percentiles `json:"lateness_us,omitzero"`
	Age         probe.Percentiles `json:"age_us"`
}

// Measured is what Serve computes from.
type Measured struct {
	Sessions int
	Windows  []Window // in the order measured; at least one with sessions
	// What probes saw in the server's windows.
	ProbeFrames, ProbeRows, Conflated int64

	ResidentWithout, ResidentWith int64
	// The same, garbage collected; 0: not measured.
	CollectedWithout, ResidentCollected int64
}

// Serve computes the figures that follow from m; what does not follow is left to the caller.
func Serve(m Measured) Served {
	ingest, server, floor := sum(m.Windows, Ingest), sum(m.Windows, Server), sum(m.Windows, Floor)
	perFrame := func(seconds float64) float64 { return ratio(seconds*1e6, float64(server.Frames)) }
	net := server.cpu() - ratio(ingest.cpu(), ingest.Seconds)*server.Seconds
	sessionSeconds := server.Seconds * float64(m.Sessions)
	f := Served{
		Sessions:    m.Sessions,
		CPUPerFrame: perFrame(net), CPUPerFrameTotal: perFrame(server.cpu()),
		CPUPerSession: ratio(net*1e6, sessionSeconds),
		UserPerFrame:  perFrame(server.User), SystemPerFrame: perFrame(server.System),
		Cores:         ratio(server.cpu(), server.Seconds),
		IngestPerTick: ratio(ingest.cpu()*1e6, float64(ingest.Ticks)), IngestCores: ratio(ingest.cpu(), ingest.Seconds),
		FloorPerFrame:   ratio(floor.cpu()*1e6, float64(floor.Frames)),
		FramesPerSecond: ratio(float64(server.Frames), server.Seconds),
		TicksPerSecond:  ratio(float64(server.Ticks), server.Seconds),
		FrameBytes:      ratio(float64(server.Bytes), float64(server.Frames)),
		RowsPerFrame:    ratio(float64(m.ProbeRows), float64(m.ProbeFrames)),
		BytesPerSession: ratio(float64(server.Bytes), sessionSeconds),
		ResidentWithout: m.ResidentWithout, ResidentWith: m.ResidentWith,
		ResidentPerSession: ratio(float64(m.ResidentWith-m.ResidentWithout), float64(m.Sessions)),
	}
	f.RatioToFloor, f.RatioTotal = ratio(f.CPUPerFrame, f.FloorPerFrame), ratio(f.CPUPerFrameTotal, f.FloorPerFrame)
	f.UpdatesPerSecond = f.FramesPerSecond * f.RowsPerFrame
	f.CPUPerUpdate = ratio(f.CPUPerFrame, f.RowsPerFrame)
	f.BytesPerUpdate = ratio(f.FrameBytes, f.RowsPerFrame)
	f.TicksPerUpdate = ratio(float64(m.ProbeRows+m.Conflated), float64(m.ProbeRows))
	if m.ResidentCollected > 0 {
		f.CollectedPerSession = ratio(float64(m.ResidentCollected-m.CollectedWithout), float64(m.Sessions))
	}
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

// Drift is the distance between the cheapest and the dearest frame of the server's windows over their mean: what the
// machine's noise was.
func Drift(windows []Window) float64 {
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
