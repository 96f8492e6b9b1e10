package sizing

import "math"

// Class is a kind of sessions.
type Class struct {
	Name    string
	Share   float64
	Symbols int     // quotes that it holds
	Cadence float64 // seconds
	// Extra is what a frame carries besides quotes: books and tapes, in bytes, and what they cost in rows.
	ExtraBytes, ExtraRows float64
}

// Mix is the sessions of a day: those of the scenario mix, links and all.
func Mix() []Class {
	// A book 20 deep changes by about 126 bytes in 100 ms of recorded Bitcoin; most are quieter.
	const book, tape = 126, 25
	return []Class{
		{Name: "watchlist of 30", Share: 0.20, Symbols: 30, Cadence: 0.25},
		{Name: "watchlist of 60", Share: 0.25, Symbols: 60, Cadence: 0.25},
		{Name: "watchlist of 100", Share: 0.20, Symbols: 100, Cadence: 0.25},
		{Name: "slow link", Share: 0.05, Symbols: 60, Cadence: 0.25},
		{Name: "trader", Share: 0.20, Symbols: 50, Cadence: 0.1, ExtraBytes: 2*book + 2*tape, ExtraRows: 10},
		{Name: "hidden tab", Share: 0.08, Symbols: 50, Cadence: 2},
		{Name: "firehose", Share: 0.02, Symbols: 1000, Cadence: 0.05},
	}
}

// Market is what is published.
type Market struct {
	Instruments int
	Ticks       float64 // a second, in all; the n-th instrument has 1/n of the first one's
	Burst       float64 // ticks that come together
}

// Day is the market of the mix: field reports of a busy day, 50,000 ticks a second over 2,000 instruments.
func Day() Market { return Market{Instruments: 2000, Ticks: 50_000, Burst: 4} }

// Need is what a session of the mix takes, on average.
type Need struct {
	Frames   float64 `json:"frames_per_s"`
	Rows     float64 `json:"rows_per_frame"`
	Bytes    float64 `json:"bytes_per_s"` // of WebSocket frames
	Wire     float64 `json:"wire_bytes_per_s"`
	CPU      float64 `json:"cpu_s_per_s"`
	Slowed   float64 `json:"cpu_s_per_s_slowed"` // while the node slows everybody down
	Memory   float64 `json:"resident_bytes"`
	Kernel   float64 `json:"kernel_bytes"`
	Symbols  float64 `json:"subscriptions"`
	Join     float64 `json:"join_cpu_s"`
	FullRows float64 `json:"full_rows_cpu_s"` // to get every row whole once
}

const (
	slowedTo = 0.5 // seconds between rows while a node slows down: overload.slow_to
	segment  = 66  // bytes of Ethernet, IP and TCP headers of a segment
	mss      = 1448.0
)

// NeedOf averages over classes.
func NeedOf(classes []Class, m Market, c *Costs) Need {
	var n Need
	for _, k := range classes {
		frames, rows := m.rows(k.Symbols, k.Cadence)
		size := c.FrameBytes + rows*c.RowBytes + k.ExtraBytes
		n.Frames += k.Share * frames
		n.Rows += k.Share * frames * (rows + k.ExtraRows)
		n.Bytes += k.Share * frames * size
		n.Wire += k.Share * frames * (size + segment*math.Ceil(size/mss))
		n.CPU += k.Share * c.serve(frames, rows+k.ExtraRows)
		slowFrames, slowRows := m.rows(k.Symbols, math.Max(k.Cadence, slowedTo))
		n.Slowed += k.Share * c.serve(slowFrames, slowRows+k.ExtraRows)
		n.Symbols += k.Share * float64(k.Symbols)
		n.Join += k.Share * c.join(k.Symbols)
		n.FullRows += k.Share * (c.Frame + float64(k.Symbols)*2*c.Row)
	}
	n.Rows /= n.Frames
	n.Memory, n.Kernel = c.Resident+n.Symbols*c.ResidentSymbol, c.Kernel
	return n
}

func (c *Costs) serve(frames, rows float64) float64 { return frames * c.Busy * (c.Frame + rows*c.Row) }
func (c *Costs) join(symbols int) float64           { return c.Join + float64(symbols)*c.JoinSymbol }

// rows returns how many frames a second a session of so many instruments gets, and how many rows each has: of those it holds, that
// many changed since the cut before.
func (m Market) rows(symbols int, cadence float64) (frames, rows float64) {
	theta, none := m.theta(symbols), 1.0
	first := m.first()
	for i := 1; i <= m.Instruments; i++ {
		held := 1 - math.Exp(-theta/float64(i))
		changed := 1 - math.Exp(-first/float64(i)/m.Burst*cadence)
		rows += held * changed
		none *= 1 - held*changed
	}
	// A cut in which nothing changed sends no frame.
	return (1 - none) / cadence, math.Min(rows/(1-none), float64(symbols))
}

// first is the ticks a second of the busiest instrument.
func (m Market) first() float64 {
	sum := 0.0
	for i := 1; i <= m.Instruments; i++ {
		sum += 1 / float64(i)
	}
	return m.Ticks / sum
}

// theta is such that a session holds the i-th instrument with probability 1 − exp(−θ/i), and so many on average: how
// drawing by Zipf's law without putting back comes out.
func (m Market) theta(symbols int) float64 {
	if symbols >= m.Instruments {
		return math.Inf(1)
	}
	low, high := 0.0, 1e9
	for range 100 {
		theta := (low + high) / 2
		held := 0.0
		for i := 1; i <= m.Instruments; i++ {
			held -= math.Expm1(-theta / float64(i))
		}
		if held < float64(symbols) {
			low = theta
		} else {
			high = theta
		}
	}
	return (low + high) / 2
}

// Wanted is the share of instruments, and of ticks, that at least one of so many sessions on a node looks at.
func (m Market) Wanted(classes []Class, sessions float64) (instruments, ticks float64) {
	hazard := 0.0 // of the first instrument; the i-th has 1/i of it
	for _, k := range classes {
		hazard += k.Share * m.theta(k.Symbols)
	}
	all := 0.0
	for i := 1; i <= m.Instruments; i++ {
		wanted := -math.Expm1(-hazard * sessions / float64(i))
		instruments += wanted
		ticks += wanted / float64(i)
		all += 1 / float64(i)
	}
	return instruments / float64(m.Instruments), ticks / all
}
