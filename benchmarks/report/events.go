package report

import (
	"cmp"
	"slices"

	"github.com/feedd/feedd/benchmarks/probe"
)

// Storm are the figures of the scenario of that name: all clients come at once, and once more when the server has hung
// up on all of them.
type Storm struct {
	First Wave `json:"first"`
	Again Wave `json:"again"`
	// Steady is the memory of the server when all are live and things have settled.
	Steady int64 `json:"steady_resident_bytes"`
	// PeakToSteady is the larger of the waves' peaks over that.
	PeakToSteady float64 `json:"peak_to_steady"`
	// Behind is the longer of the waves' times from the last accept until all were live.
	Behind float64 `json:"live_behind_last_accept_s"`
}

// Wave is how all clients came up.
type Wave struct {
	// Seconds from the first attempt until all were live, until the server had let the last one in, and from there.
	Seconds    float64 `json:"seconds"`
	LastAccept float64 `json:"last_accept_s"`
	Behind     float64 `json:"live_behind_last_accept_s"`
	// Each is the time of a client from its attempt until it had a row of everything.
	Each   probe.Percentiles `json:"each_us"`
	Peak   int64             `json:"peak_resident_bytes"`
	CPU    float64           `json:"server_cpu_s"`
	Client float64           `json:"load_cpu_s"` // of the clients, which may be what took so long
}

// Storms sets two waves beside what is steady.
func Storms(first, again Wave, steady int64) *Storm {
	return &Storm{
		First: first, Again: again, Steady: steady,
		PeakToSteady: ratio(float64(max(first.Peak, again.Peak)), float64(steady)), Behind: max(first.Behind, again.Behind),
	}
}

// Stuck are the figures of the scenario of that name: some clients stop reading while others go on.
type Stuck struct {
	Healthy int `json:"healthy_sessions"`
	Slow    int `json:"slow_sessions"`
	Stuck   int `json:"stuck_sessions"`
	// Turns are those in which they stopped reading, one after the other.
	Turns []StuckTurn `json:"turns"`
	// The turn whose ratio is the median one.
	StuckTurn
	// BytesPerStuck is what the server's memory grew by for each stuck session, in the last turn.
	BytesPerStuck  float64 `json:"resident_bytes_per_stuck_session"`
	SlowAge        float64 `json:"slow_age_p99_ms"` // of what the slow ones are shown
	QuotesCompared int     `json:"final_quotes_compared"`
}

// StuckTurn is a window in which all read, and one in which some do not.
type StuckTurn struct {
	// Lateness of the healthy ones, by the kernel's clock at their sockets.
	Before probe.Percentiles `json:"before_us"`
	During probe.Percentiles `json:"during_us"`
	// P99 is the latter's over the former's.
	P99 float64 `json:"p99_during_to_before"`
	// Server's CPU in cores.
	CoresBefore float64 `json:"cores_before"`
	CoresDuring float64 `json:"cores_during"`
}

// Stalled computes the ratios.
func (s *Stuck) Stalled() *Stuck {
	for i := range s.Turns {
		t := &s.Turns[i]
		t.P99 = ratio(float64(t.During.P99), float64(t.Before.P99))
	}
	sorted := slices.SortedFunc(slices.Values(s.Turns), func(a, b StuckTurn) int { return cmp.Compare(a.P99, b.P99) })
	if len(sorted) > 0 {
		s.StuckTurn = sorted[len(sorted)/2]
	}
	return s
}

// Throttled are the figures of the scenario throttle: another cadence for everybody while the market runs.
type Throttled struct {
	Sessions int `json:"sessions"`
	// Changes are those made, in order.
	Changes []Change `json:"changes"`
	// AllTold is the longest that any of them took to reach all sessions, in seconds.
	AllTold        float64 `json:"all_told_s"`
	QuotesCompared int     `json:"final_quotes_compared"`
}

// Change is one of the cadence of all sessions.
type Change struct {
	By     string `json:"by"` // what made it
	FromMS uint32 `json:"from_ms"`
	ToMS   uint32 `json:"to_ms"`
	// Told is the time until a session had its grant.
	Told   probe.Percentiles `json:"told_us"`
	CPU    float64           `json:"server_cpu_s"` // until all were told
	Frames float64           `json:"frames_per_s"` // behind it
	// LatestCut is the most that a cut came behind its beat since the server started, as of then, in milliseconds.
	LatestCut float64 `json:"latest_cut_ms"`
}
