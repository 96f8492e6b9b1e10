package sim

import (
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// witness checks every event against what was told before.
type witness struct {
	instruments []market.Instrument
	quotes      []market.Quote
	trades      [][]market.Trade // by number; those that were put right, and what did so, are zero
	told        []int            // trades and mends
	stats       []int
	trading     []market.Trading
	books       []map[int64]int64 // bids by price, asks by minus price
	now         int64
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWitness(m *Market) *witness {
	n := len(m.Instruments())
	return &witness{instruments: m.Instruments(), quotes: make([]market.Quote, n), trades: make([][]market.Trade, n), told: make([]int, n),
		stats: make([]int, n), trading: make([]market.Trading, n), books: make([]map[int64]int64, n)}
}

func (w *witness) see(t failer, e *Event) {
	t.Helper()
	if e.Time < w.now {
		t.Fatalf("time goes back from %d to %d", w.now, e.Time)
	}
	w.now = e.Time
	in, last := w.instruments[e.Instrument], w.quotes[e.Instrument]
	onGrid := func(price, size int64) {
		if price <= 0 || price%in.PriceStep != 0 || size <= 0 || size%in.SizeStep != 0 {
			t.Fatalf("%s: price %d of size %d is off the grid of %d and %d", in.Symbol, price, size, in.PriceStep, in.SizeStep)
		}
	}
	if halted := w.trading[e.Instrument] > market.TradingOpen; halted && (e.Kind == Quote || e.Kind == Trade || e.Kind == Book) {
		t.Fatalf("%s: event of kind %d while trading is %d", in.Symbol, e.Kind, w.trading[e.Instrument])
	}
	switch e.Kind {
	case Quote:
		q := e.Quote
		onGrid(q.Bid, q.BidSize)
		onGrid(q.Ask, q.AskSize)
		if q.Bid >= q.Ask {
			t.Fatalf("%s: crossed: %+v", in.Symbol, q)
		}
		if q.ExchangeTime != e.Time || q.Has != market.HasBid|market.HasAsk|market.HasExchangeTime {
			t.Fatalf("%s: %+v at %d", in.Symbol, q, e.Time)
		}
		w.quotes[e.Instrument] = q
	case Trade:
		tr := e.Trade
		onGrid(tr.Price, tr.Size)
		w.trade(t, e, &last)
	case Status:
		if next := w.trading[e.Instrument] + 1; in.Asset != market.AssetEquity || e.Trading != max(market.TradingHalted, next) && e.Trading != market.TradingOpen {
			t.Fatalf("%s: trading is %d behind %d", in.Symbol, e.Trading, next-1)
		}
		w.trading[e.Instrument] = e.Trading
	case Stats:
		w.stats[e.Instrument]++
		if st := e.Stats; st.PreviousClose <= 0 || st.Has&market.HasMark != 0 && (st.Mark < last.Bid-in.PriceStep || st.Mark > last.Ask || st.OpenInterest%in.SizeStep != 0) {
			t.Fatalf("%s: states %+v on quote %+v", in.Symbol, st, last)
		}
	case Book:
		w.book(t, e)
	default:
		t.Fatalf("event of kind %d", e.Kind)
	}
}

// trade takes a trade at the touch, or one that puts an earlier one right.
func (w *witness) trade(t failer, e *Event, last *market.Quote) {
	t.Helper()
	tr, in := e.Trade, w.instruments[e.Instrument]
	w.told[e.Instrument]++
	if tr.ExchangeTime != e.Time {
		t.Fatalf("%s: trade %+v at %d", in.Symbol, tr, e.Time)
	}
	list := &w.trades[e.Instrument]
	for len(*list) < w.told[e.Instrument] {
		*list = append(*list, market.Trade{})
	}
	if tr.Kind != market.TradeOrdinary {
		if tr.RefersTo == 0 || int(tr.RefersTo) >= w.told[e.Instrument] || (*list)[tr.RefersTo-1].ID != tr.ID || (*list)[tr.RefersTo-1].Size != tr.Size {
			t.Fatalf("%s: %+v puts nothing right", in.Symbol, tr)
		}
		(*list)[tr.RefersTo-1] = market.Trade{} // once
		return
	}
	(*list)[w.told[e.Instrument]-1] = tr
	atBid := tr.Aggressor == market.SideSell && tr.Price == last.Bid && tr.Size <= last.BidSize
	atAsk := tr.Aggressor == market.SideBuy && tr.Price == last.Ask && tr.Size <= last.AskSize
	if !atBid && !atAsk {
		t.Fatalf("%s: trade %+v on quote %+v", in.Symbol, tr, *last)
	}
}

func (w *witness) book(t failer, e *Event) {
	t.Helper()
	in, last := w.instruments[e.Instrument], w.quotes[e.Instrument]
	book := w.books[e.Instrument]
	if e.Book.Snapshot != (book == nil) {
		t.Fatalf("%s: snapshot %t with a book of %d levels", in.Symbol, e.Book.Snapshot, len(book))
	}
	if book == nil {
		book = make(map[int64]int64)
		w.books[e.Instrument] = book
	}
	for sign, levels := range map[int64][]publish.Level{1: e.Book.Bids, -1: e.Book.Asks} {
		for _, l := range levels {
			if _, known := book[sign*l.Price]; l.Size == 0 && !known || l.Size < 0 || l.Price <= 0 || l.Price%in.PriceStep != 0 {
				t.Fatalf("%s: level %+v", in.Symbol, l)
			}
			if book[sign*l.Price] = l.Size; l.Size == 0 {
				delete(book, sign*l.Price)
			}
		}
	}
	best := map[bool]int64{}
	count := map[bool]int{}
	for k := range book {
		isBid := k > 0
		if count[isBid]++; count[isBid] == 1 || k > best[isBid] {
			best[isBid] = k
		}
	}
	if best[true] != last.Bid || -best[false] != last.Ask || book[best[true]] != last.BidSize || book[best[false]] != last.AskSize {
		t.Fatalf("%s: the book's best are %d and %d, the quote is %+v", in.Symbol, best[true], -best[false], last)
	}
	if depth := depthOf(e.Instrument); count[true] != depth || count[false] != depth {
		t.Fatalf("%s: %d bids and %d asks, want %d", in.Symbol, count[true], count[false], depth)
	}
}
