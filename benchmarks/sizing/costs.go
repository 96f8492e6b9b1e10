package sizing

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/feedd/feedd/benchmarks/report"
	"github.com/feedd/feedd/internal/footprint"
)

// Figure is a number that sizing rests on, and where it comes from.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Kind  string  `json:"kind"`
	From  string  `json:"from"`
}

// Kinds of figures.
const (
	Measured = "measured" // stands in a result as it is
	Derived  = "derived"  // follows from results, by arithmetic
	Assumed  = "assumed"  // nobody measured it here
)

// Costs are what one thing costs. Times are seconds of one core, sizes bytes.
type Costs struct {
	Join, JoinSymbol         float64 // a connection from its first byte until it is live, and more for each subscription
	Refuse                   float64
	Frame, Row               float64 // a frame, ingest apart, and more for each row in it
	Busy                     float64 // what a frame costs in the market of the day, to a slow one; 1 at least
	FrameBytes, RowBytes     float64
	FullRowBytes             float64
	Tick                     float64 // one that is taken in
	TickBytes                float64
	ReadPerSecond            float64 // messages of the stream that a node reads a second
	Resident, ResidentSymbol float64 // a session, and more for each subscription
	Peak                     float64 // memory in a storm to steady memory
	Handshake                float64 // of TLS, in full, for whoever ends it
	Kernel                   float64 // what the kernel keeps for a connection with empty queues
	Base                     float64 // a node without sessions
	Instrument               float64 // what a node keeps of one
	Warm                     float64 // seconds from start to ready, with a checkpoint
	Late                     float64 // seconds that a cut comes behind its beat, p99, where nothing is wrong

	// What the model is held against, and not built on.
	Storm   float64 // seconds until 10,000 clients of 100 instruments were live
	Accepts float64 // connections a second that a node let in meanwhile

	Figures []Figure
}

// What could not be read out of a result.
const (
	rowCost      = 0.1e-6
	refuseCost   = 0.1e-3
	fullRowBytes = 40
	readRate     = 250_000
	kernelBytes  = 3800
	stateBytes   = 100_000
)

// basis are the results that costs are read from.
type basis struct {
	Results map[string]*report.Result `json:"results"`
}

// basisFile is the suite in the directory of results that costs are read from. It is kept by itself, so that the next suite
// changes no document.
const basisFile = "basis.json"

// wireFile is the result of the scenario of that name.
const wireFile = "wire.json"

func (b *basis) result(step string) (*report.Result, error) {
	r := b.Results[step]
	if r == nil || r.Verdict != report.Correct {
		return nil, fmt.Errorf("%s: no correct result of the step %s; run benchmarks bench -only lateness,peers-100,storm,curve-ticks,restart", basisFile, step)
	}
	return r, nil
}

// ReadCosts reads the costs from the results in dir.
func ReadCosts(dir string) (*Costs, error) {
	var b basis
	var ends report.Result
	for name, into := range map[string]any{basisFile: &b, wireFile: &ends} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return nil, fmt.Errorf("costs: %w", err)
		}
	}
	if ends.Wire == nil || ends.Wire.Simulated == nil || ends.Wire.Recorded == nil {
		return nil, fmt.Errorf("%s: no bytes of ticks; run benchmarks -scenario wire -ticks DIR -save wire", wireFile)
	}
	return derive(&b, ends.Wire)
}

func derive(b *basis, ends *report.Wire) (*Costs, error) {
	crowd, err1 := b.result("lateness")
	wide, err2 := b.result("peers-100")
	storm, err3 := b.result("storm")
	ticks, err4 := b.result("curve-ticks")
	restart, err5 := b.result("restart")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	if crowd.Fanout == nil || storm.Storm == nil || ticks.Curve == nil || restart.Restart == nil || wide.Peers["feedd"].Sessions == 0 {
		return nil, fmt.Errorf("%s: a result is of another scenario than its step says", basisFile)
	}
	c := &Costs{}
	c.frames(crowd.Served, wide.Peers["feedd"])
	if err := c.market(ticks.Curve); err != nil {
		return nil, err
	}
	c.ends(ends)
	c.memory(crowd.Served, storm.Storm)
	c.joins(crowd.Served, wide.Peers["feedd"])
	c.Storm, c.Accepts = storm.Storm.First.Seconds, 10_000/storm.Storm.First.LastAccept
	c.Warm = c.add("start with a checkpoint, 10,000 instruments", restart.Warm, "s", Measured, "basis.json restart.warm_start_s")
	c.Late = c.add("cut behind its beat, p99, 10,000 sessions", float64(crowd.Lateness.P99)/1e6, "s", Measured, "basis.json lateness.lateness_us.p99")
	return c, nil
}

// add notes a figure and returns its value.
func (c *Costs) add(name string, value float64, unit, kind, from string) float64 {
	c.Figures = append(c.Figures, Figure{name, value, unit, kind, from})
	return value
}

func (c *Costs) frames(crowd, wide report.Served) {
	measured := c.add("CPU of a frame of 18 rows, ingest apart", crowd.CPUPerFrame/1e6, "s", Measured, "basis.json lateness.server_cpu_us_per_frame")
	c.add("the same, ingest and all", crowd.CPUPerFrameTotal/1e6, "s", Measured, "basis.json lateness.server_cpu_us_per_frame_total")
	c.Row = c.add("CPU of a row more in a frame", rowCost, "s", Assumed, "three times what the steady window of storm shows, 86 rows in a frame")
	c.Frame = c.add("CPU of a frame before its rows", measured-crowd.RowsPerFrame*c.Row, "s", Derived, "the two above")
	c.RowBytes = c.add("bytes of a row", (wide.FrameBytes-crowd.FrameBytes)/(wide.RowsPerFrame-crowd.RowsPerFrame), "B", Derived, "basis.json frame_bytes of lateness and peers-100")
	c.FrameBytes = c.add("bytes of a frame before its rows", crowd.FrameBytes-crowd.RowsPerFrame*c.RowBytes, "B", Derived, "the same")
	c.FullRowBytes = c.add("bytes of a full row", fullRowBytes, "B", Measured, "scenario rows on recordings: 38 to 41")
}

// The curve over ticks has points at 4,000 ticks/s and multiples of it; the market of the day lies between two of them.
const curveTicks = 4000

func (c *Costs) market(curve *report.Curve) error {
	slow, ok1 := curve.At(1)
	low, ok2 := curve.At(8)
	high, ok3 := curve.At(32)
	if !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("%s: curve-ticks has no points 1, 8 and 32", basisFile)
	}
	between := math.Log(Day().Ticks/curveTicks/low.X) / math.Log(high.X/low.X)
	at := func(a, b float64) float64 { return a * math.Pow(b/a, between) }
	from := "basis.json curve-ticks, between points 8 and 32, to point 1"
	busy := at(low.CPUPerFrame, high.CPUPerFrame) / slow.CPUPerFrame
	if busy < 1 {
		// Less is how far two windows of a measurement lie apart by chance, and would size fleets too small.
		from += fmt.Sprintf("; %.2f came out, and a faster market makes no frame cheaper", busy)
		busy = 1
	}
	c.Busy = c.add("a frame in a market of 50,000 ticks/s, to one of 4,000", busy, "×", Derived, from)
	c.Tick = c.add("CPU of a tick there, single ticks in messages", at(low.IngestPerTick, high.IngestPerTick)/1e6, "s", Derived, "basis.json curve-ticks, between points 8 and 32, ingest_cpu_us_per_tick")
	return nil
}

func (c *Costs) ends(w *report.Wire) {
	c.TickBytes = c.add("bytes of a tick on NATS, its share of the message included: quotes, trades and books of the simulated market", w.Simulated.PerTick, "B", Measured, "wire.json wire.simulated.bytes_per_tick")
	c.add("the same of recordings, whose changes of books have many levels", w.Recorded.PerTick, "B", Measured, "wire.json wire.recorded.bytes_per_tick")
	c.Handshake = c.add("CPU of a TLS 1.3 handshake, ECDSA P-256, where TLS ends", w.Handshake/1e6, "s", Measured, "wire.json wire.tls_handshake_cpu_us, Go's crypto/tls")
	c.add("the same, resumed with a ticket", w.Resumed/1e6, "s", Measured, "wire.json wire.tls_resumed_cpu_us")
	c.ReadPerSecond = c.add("messages of the stream that a node reads", readRate, "/s", Measured, "ARCHITECTURE.md, a consumer that picks nothing")
}

// The two sizes of sessions that were measured, and the instruments of that market.
const fewSymbols, manySymbols, baseInstruments = 20, 100, 200

func (c *Costs) memory(crowd report.Served, storm *report.Storm) {
	c.Base = c.add("memory of a node without sessions, 200 instruments", float64(crowd.ResidentWithout), "B", Measured, "basis.json lateness.resident_bytes_without_sessions")
	few := c.add("memory of a session, 20 subscriptions", crowd.ResidentPerSession, "B", Measured, "basis.json lateness.resident_bytes_per_session")
	many := c.add("memory of a session, 100 subscriptions", (float64(storm.Steady)-c.Base)/10_000, "B", Derived, "basis.json storm.steady_resident_bytes")
	c.ResidentSymbol = (many - few) / (manySymbols - fewSymbols)
	c.Resident = few - fewSymbols*c.ResidentSymbol
	c.add("memory of a subscription", c.ResidentSymbol, "B", Derived, "the two above")
	c.Peak = c.add("memory in a storm, to steady", storm.PeakToSteady, "×", Measured, "basis.json storm.peak_to_steady")
	c.Instrument = c.add("memory of an instrument", stateBytes, "B", Assumed, "a book, trades, and bars of a part of a day")
	c.Kernel = c.add("kernel memory of a connection with empty queues", kernelBytes, "B", Measured, "slabs of 4,000 idle loopback connections, Linux 6.18")
}

// joins takes the cost of a join from the time that a pinned core took for a crowd: what it had left beside ingest and
// the sessions that were live already, of which there were half on average.
func (c *Costs) joins(crowd, wide report.Served) {
	each := func(s report.Served) float64 {
		left := 1 - s.IngestCores - (s.Cores-s.IngestCores)/2
		return s.JoinSeconds * left / float64(s.Sessions)
	}
	few := c.add("CPU of a join, 20 subscriptions", each(crowd), "s", Derived, "basis.json lateness.join_s")
	many := c.add("CPU of a join, 100 subscriptions", each(wide), "s", Derived, "basis.json peers-100 feedd.join_s")
	c.JoinSymbol = (many - few) / (manySymbols - fewSymbols)
	c.Join = few - fewSymbols*c.JoinSymbol
	c.add("CPU of a subscription of a join", c.JoinSymbol, "s", Derived, "the two above")
	c.Refuse = c.add("CPU of a refusal", refuseCost, "s", Assumed, "a handshake that ends with 503")
}

// state is what a node keeps of a market, beyond what it holds without sessions.
func (c *Costs) state(instruments int) float64 {
	return float64(max(0, instruments-baseInstruments)) * c.Instrument
}

// garbage is what a node lets gather of it before it is collected, beyond what it holds without sessions.
func garbage(lives float64) float64 {
	g := footprint.DefaultGarbage
	return math.Max(0, lives*float64(g.Percent)/100-float64(g.Least))
}
