package fanout

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/bars"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// board is a client of bars, statistics and trade summaries, as simple as can be. Like reader it is a Conn that can be
// stalled.
type board struct {
	encoding      Encoding
	errs          []error
	stalled, full bool
	wake          func()

	frames    int
	bars      map[Handle]map[int64]market.Bar // by start; Turnover is not told and stays empty
	vwap      map[Handle]map[int64]int64
	newest    map[Handle]int64
	lost      map[Handle][]*feedv1.Lost
	gaps      map[Handle]uint64
	stats     map[Handle]*feedv1.Stats
	statsText map[string]*feedv1.StatsText
	sums      map[Handle]*feedv1.TradeSummary // of all rows
	last      *feedv1.ServerFrame
	barOf     map[string]Handle // text rows go by symbol and interval
	sumOf     map[string]Handle
}

func newBoard(e Encoding) *board {
	return &board{
		encoding: e, bars: map[Handle]map[int64]market.Bar{}, vwap: map[Handle]map[int64]int64{}, newest: map[Handle]int64{},
		lost: map[Handle][]*feedv1.Lost{}, gaps: map[Handle]uint64{}, stats: map[Handle]*feedv1.Stats{},
		statsText: map[string]*feedv1.StatsText{}, sums: map[Handle]*feedv1.TradeSummary{}, barOf: map[string]Handle{}, sumOf: map[string]Handle{},
	}
}

func (r *board) fail(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

func (r *board) Ready() bool { return !r.full }

func (r *board) Send(b []byte) bool {
	if r.full {
		return false
	}
	r.full = r.stalled
	f := &feedv1.ServerFrame{}
	var err error
	if r.encoding == JSON {
		err = protojson.Unmarshal(b, f)
	} else {
		err = proto.Unmarshal(b, f)
	}
	if err != nil {
		r.fail("undecodable frame %q: %v", b, err)
		return true
	}
	if f.Heartbeat == nil {
		r.apply(f)
	}
	return true
}

func (r *board) resume() {
	r.stalled, r.full = false, false
	r.wake()
}

// forget drops what is held of a handle, as a client does that subscribes anew.
func (r *board) forget(h Handle) {
	delete(r.bars, h)
	delete(r.vwap, h)
	delete(r.newest, h)
	delete(r.lost, h)
	delete(r.stats, h)
	delete(r.sums, h)
	delete(r.gaps, h)
}

func (r *board) apply(f *feedv1.ServerFrame) {
	r.frames++
	r.last = f
	for _, l := range f.Losses {
		r.lost[Handle(l.Handle)] = append(r.lost[Handle(l.Handle)], l)
	}
	for _, g := range f.Gaps {
		r.gaps[Handle(g.Handle)] += g.To - g.From + 1
	}
	for _, row := range f.Bars {
		r.bar(row)
	}
	for _, row := range f.BarTexts {
		r.barText(row)
	}
	for _, row := range f.Stats {
		r.stat(row)
	}
	for _, row := range f.StatsTexts {
		r.statsText[row.Symbol] = row
	}
	for _, row := range f.TradeSummaries {
		r.summary(Handle(row.Handle), row.Last, row.Last+row.High, row.Last+row.Low, row.Volume, row.Trades, row.Sequence)
	}
	for _, row := range f.TradeSummaryTexts {
		r.summary(r.sumOf[row.Symbol], price(row.Last), price(row.High), price(row.Low), size(row.Volume), row.Trades, row.Sequence)
	}
}

func price(text string) int64 {
	v, err := market.ParseDecimal(text, 2)
	if err != nil {
		panic(err)
	}
	return v
}

func size(text string) int64 {
	v, err := market.ParseDecimal(text, 0)
	if err != nil {
		panic(err)
	}
	return v
}

func (r *board) bar(row *feedv1.Bar) {
	h := Handle(row.Handle)
	if r.bars[h] == nil {
		r.bars[h], r.vwap[h] = map[int64]market.Bar{}, map[int64]int64{}
	}
	if row.StartS == 0 {
		b, ok := r.bars[h][r.newest[h]]
		if !ok {
			r.fail("bar %d: a difference without a full row before it", h)
		}
		b.Open, b.High, b.Low, b.Close = b.Open+row.Open, b.High+row.High, b.Low+row.Low, b.Close+row.Close
		b.Volume, b.Trades, b.Closed = b.Volume+row.Volume, b.Trades+row.Trades, row.Closed
		r.bars[h][b.Start] = b
		r.vwap[h][b.Start] += row.Vwap
		return
	}
	if row.Trades == 0 {
		delete(r.bars[h], row.StartS)
		return
	}
	r.newest[h] = max(r.newest[h], row.StartS)
	r.bars[h][row.StartS] = market.Bar{
		Start: row.StartS, Open: row.Open, High: row.Open + row.High, Low: row.Open + row.Low, Close: row.Open + row.Close,
		Volume: row.Volume, Trades: row.Trades, Closed: row.Closed,
	}
	r.vwap[h][row.StartS] = row.Open + row.Vwap
}

func (r *board) barText(row *feedv1.BarText) {
	h := r.barOf[fmt.Sprint(row.Symbol, row.BarSeconds)]
	if r.bars[h] == nil {
		r.bars[h], r.vwap[h] = map[int64]market.Bar{}, map[int64]int64{}
	}
	start, err := time.Parse(time.RFC3339, row.Start)
	if err != nil {
		r.fail("%v", err)
		return
	}
	if row.Trades == 0 {
		delete(r.bars[h], start.Unix())
		return
	}
	r.bars[h][start.Unix()] = market.Bar{
		Start: start.Unix(), Open: price(row.Open), High: price(row.High), Low: price(row.Low), Close: price(row.Close),
		Volume: size(row.Volume), Trades: int64(row.Trades), Closed: row.Closed,
	}
	r.vwap[h][start.Unix()] = price(row.Vwap)
}

func (r *board) stat(row *feedv1.Stats) {
	h := Handle(row.Handle)
	s := r.stats[h]
	if row.Full {
		s = &feedv1.Stats{}
		r.stats[h] = s
	} else if s == nil {
		r.fail("statistics %d: a difference without a full row before it", h)
		return
	}
	s.Last += row.Last
	s.Open += row.Open
	s.High += row.High
	s.Low += row.Low
	s.Volume += row.Volume
	s.Trades += row.Trades
	s.Vwap += row.Vwap
	s.SessionOpen += row.SessionOpen
	s.SessionHigh += row.SessionHigh
	s.SessionLow += row.SessionLow
	s.SessionVolume += row.SessionVolume
	s.SessionTrades += row.SessionTrades
	s.SessionVwap += row.SessionVwap
	s.SessionStartS += row.SessionStartS
	s.Mark += row.Mark
	if row.Turnover != "" {
		s.Turnover = row.Turnover
	}
	if row.SessionTurnover != "" {
		s.SessionTurnover = row.SessionTurnover
	}
	if row.Has != nil {
		s.Has = row.Has
	}
}

func (r *board) summary(h Handle, last, high, low, volume int64, trades, sequence uint64) {
	s := r.sums[h]
	if s == nil {
		s = &feedv1.TradeSummary{High: high, Low: low}
		r.sums[h] = s
	}
	if sequence <= s.Sequence {
		r.fail("summary %d goes back from %d to %d", h, s.Sequence, sequence)
	}
	s.Last, s.High, s.Low, s.Sequence = last, max(s.High, high), min(s.Low, low), sequence
	s.Volume += volume
	s.Trades += trades
}

// shown is a bar as clients see it.
func shown(b market.Bar) market.Bar {
	b.Turnover, b.ExchangeTime, b.IngestTime = market.Amount{}, 0, 0
	return b
}

// statsRow is what a client should hold of statistics.
func statsRow(s *bars.Statistics) *feedv1.Stats {
	has := uint32(s.Venue.Has)
	row := &feedv1.Stats{
		Last: s.Last, Open: s.Day.Open, High: s.Day.High, Low: s.Day.Low, Volume: s.Day.Volume, Trades: s.Day.Trades, Vwap: s.Day.VWAP(),
		SessionOpen: s.Session.Open, SessionHigh: s.Session.High, SessionLow: s.Session.Low, SessionVolume: s.Session.Volume,
		SessionTrades: s.Session.Trades, SessionVwap: s.Session.VWAP(), SessionStartS: s.SessionStart, Mark: s.Venue.Mark, Has: &has,
		Turnover: turnover(s.Day), SessionTurnover: turnover(s.Session),
	}
	return row
}

func turnover(t bars.Totals) string { return string(t.Turnover.AppendText(nil, 2)) }
