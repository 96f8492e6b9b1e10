package probe

import (
	"fmt"

	"github.com/feedd/feedd/benchmarks/feed"
)

// history is what a probe was told, kept until the market is known to its end: then each row can be looked for among the ticks.
// While it runs a probe knows no more than that a quote is possible.
type history struct {
	rows  map[string][]seen
	kept  int
	told  uint64 // ticks behind the first rows: rows, and what frames say was merged into them
	mixed bool   // what frames say was merged is not of quotes alone
}

// seen is a row of an instrument. Of a quote the ask follows from the bid.
type seen struct {
	sequence     uint64 // 0: it was a difference
	bid, bidSize int64
}

// mostKept bounds the rows of a probe that are kept, at 24 bytes each: those of a quarter of an hour at once with 20 instruments.
// What comes later is counted, and not looked for.
const mostKept = 1 << 20

func (h *history) add(symbol string, sequence uint64, q feed.Quote) {
	rows, known := h.rows[symbol]
	if known {
		h.told++
	}
	if h.kept == mostKept && known {
		return
	}
	h.kept++
	h.rows[symbol] = append(rows, seen{sequence, q.Bid, q.BidSize})
}

// Market is all that was published, of quotes without stamps.
type Market struct {
	Seed  uint64   `json:"seed"`
	Ticks []uint64 `json:"ticks"` // of each instrument
}

// Verdict is what came of looking for rows in the market.
type Verdict struct {
	Rows     int      `json:"rows"`    // that were looked for
	Counted  int      `json:"counted"` // probes whose ticks were counted
	Problems int      `json:"problems"`
	Texts    []string `json:"texts,omitempty"`
}

func (v *Verdict) problem(format string, args ...any) {
	if v.Problems++; len(v.Texts) < maxTexts {
		v.Texts = append(v.Texts, fmt.Sprintf(format, args...))
	}
}

// Verify looks for each row that probes had in the market, once that stands still and they hold its end: rows must be ticks, in the
// order in which those came, full rows under their own numbers. And of each tick a probe must have been told: by a row, or by being
// counted as merged.
func (m Market) Verify(probes []*Probe) (v Verdict) {
	traces := make([][][]seen, len(m.Ticks))
	for _, p := range probes {
		for symbol, rows := range p.history.rows {
			i := p.instruments[symbol]
			traces[i] = append(traces[i], rows)
			v.Rows += len(rows)
		}
		m.count(&v, p)
	}
	for i, rows := range traces {
		if len(rows) > 0 {
			m.order(&v, i, rows)
		}
	}
	return v
}

// count compares the ticks that a probe was told of with those that there were.
func (m Market) count(v *Verdict, p *Probe) {
	h := &p.history
	if h.mixed || p.model == nil { // the latter is a problem of its own
		return
	}
	var were uint64
	for symbol, rows := range h.rows {
		were += m.Ticks[p.instruments[symbol]] - rows[0].sequence
	}
	if v.Counted++; were != h.told {
		v.problem("a probe was told of %d ticks, by rows and as merged; there were %d", h.told, were)
	}
}

// order follows the walk of instrument i along with what probes had of it.
func (m Market) order(v *Verdict, i int, traces [][]seen) {
	walk, next := feed.NewWalk(m.Seed, i), make([]int, len(traces))
	for tick := uint64(1); tick <= m.Ticks[i]; tick++ {
		q := walk.Next(0)
		for n, rows := range traces {
			if next[n] == len(rows) {
				continue
			}
			r := rows[next[n]]
			if r.bid == q.Bid && r.bidSize == q.BidSize && (r.sequence == 0 || r.sequence == tick) {
				next[n]++
			}
		}
	}
	for n, rows := range traces {
		if at := next[n]; at < len(rows) {
			v.problem("%s: row %d of %d (tick %d, bid %d, size %d) is no tick behind the row before it",
				feed.Symbols(i + 1)[i], at+1, len(rows), rows[at].sequence, rows[at].bid, rows[at].bidSize)
		}
	}
}
