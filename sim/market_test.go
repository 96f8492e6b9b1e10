package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

const start = 1_700_000_000_000_000

func newMarket(t testing.TB, cfg Config) *Market {
	t.Helper()
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func appendEvent(dst []byte, e *Event) []byte {
	for _, v := range []int64{
		e.Time, int64(e.Instrument), int64(e.Kind),
		e.Quote.Bid, e.Quote.BidSize, e.Quote.Ask, e.Quote.AskSize, e.Quote.ExchangeTime, int64(e.Quote.Has),
		e.Trade.Price, e.Trade.Size, int64(e.Trade.ID), int64(e.Trade.Aggressor), e.Trade.ExchangeTime, e.Book.ExchangeTime,
		int64(e.Trade.Kind), int64(e.Trade.RefersTo), e.Stats.PreviousClose, e.Stats.Settlement, e.Stats.Mark, e.Stats.Index,
		e.Stats.OpenInterest, e.Stats.FundingRateE8, int64(e.Stats.Has), int64(e.Trading),
	} {
		dst = binary.AppendVarint(dst, v)
	}
	for _, side := range [][]publish.Level{e.Book.Bids, e.Book.Asks} {
		dst = binary.AppendVarint(dst, int64(len(side)))
		for _, l := range side {
			dst = binary.AppendVarint(binary.AppendVarint(dst, l.Price), l.Size)
		}
	}
	return fmt.Appendf(dst, "%t", e.Book.Snapshot)
}

// A seed is a promise: this digest changes only when the simulated market is meant to change.
func TestSeedFixesTheMarket(t *testing.T) {
	digest := func(seed uint64) string {
		m := newMarket(t, Config{Instruments: 60, Rate: 5000, Seed: seed, Start: start})
		h := sha256.New()
		var b []byte
		for _, in := range m.Instruments() {
			b = fmt.Appendf(b[:0], "%+v", in)
			h.Write(b)
		}
		for e := range m.Next(start + 10_000_000) {
			b = appendEvent(b[:0], e)
			h.Write(b)
		}
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	if got, want := digest(1), "5dca0b35007b2208"; got != want {
		t.Errorf("seed 1 gives digest %s, want %s", got, want)
	}
	if digest(2) == digest(1) {
		t.Error("seeds 1 and 2 give the same market")
	}
}

// Whatever the configuration: never crossed, on the grid, trades at the touch, books that agree with
// quotes; and the same however the time is sliced.
func TestMarketProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Instruments: rapid.IntRange(1, 80).Draw(t, "instruments"),
			Rate:        rapid.SampledFrom([]int{1, 50, 2_000, 100_000, MaxRate}).Draw(t, "rate"),
			Seed:        rapid.Uint64().Draw(t, "seed"),
			Start:       rapid.SampledFrom([]int64{0, start, MaxStart}).Draw(t, "start"),
		}
		whole, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		sliced, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		length := min(10_000_000, 1_000*int64(1_000_000/cfg.Rate))
		var want []byte
		w := newWitness(whole)
		for e := range whole.Next(cfg.Start + length) {
			w.see(t, e)
			want = appendEvent(want, e)
		}
		for i, q := range w.quotes {
			if q.Has == 0 || i < books != (w.books[i] != nil) || w.stats[i] == 0 {
				t.Fatalf("instrument %d began with quote %+v, book of %d levels", i, q, len(w.books[i]))
			}
		}
		var got []byte
		for until := cfg.Start; until < cfg.Start+length; {
			until = min(cfg.Start+length, until+rapid.Int64Range(1, length).Draw(t, "slice"))
			stopAfter := rapid.IntRange(1, 1000).Draw(t, "stop after")
			for e := range sliced.Next(until) {
				got = appendEvent(got, e)
				if stopAfter--; stopAfter == 0 {
					break
				}
			}
			if stopAfter == 0 {
				until = sliced.Now()
			}
			if next := sliced.NextTime(); sliced.Now() > until || next < sliced.Now() {
				t.Fatalf("now is %d and next %d behind a slice until %d", sliced.Now(), next, until)
			}
		}
		for e := range sliced.Next(cfg.Start + length) {
			got = appendEvent(got, e)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("slicing the time changes the market")
		}
	})
}

// What recorded markets look like, on two minutes of a market of the default size.
func TestMarketBehavesLikeRecordedOnes(t *testing.T) {
	const rate, seconds = 2000, 120
	m := newMarket(t, Config{Instruments: 40, Rate: rate, Seed: 1, Start: start})
	w := newWitness(m)
	type tally struct {
		ticks, quotes, trades, priceChanges, gaps, shortGaps int
		last                                                 int64
		bySecond                                             [seconds + 1]int
	}
	tallies := make([]tally, 40)
	var all tally
	low, high := make([]int64, 40), make([]int64, 40)
	for e := range m.Next(start + seconds*1_000_000 - 1) {
		before := w.quotes[e.Instrument]
		w.see(t, e)
		c := &tallies[e.Instrument]
		if e.Kind != Quote && e.Kind != Trade {
			continue
		}
		c.ticks++
		all.ticks++
		c.bySecond[(e.Time-start)/1_000_000]++
		if c.last != 0 {
			c.gaps++
			if e.Time-c.last < 1000 {
				c.shortGaps++
			}
		}
		c.last = e.Time
		if e.Kind == Trade {
			all.trades++
			continue
		}
		all.quotes++
		if before.Has != 0 && (before.Bid != e.Quote.Bid || before.Ask != e.Quote.Ask) {
			all.priceChanges++
		}
		if before.Has == 0 {
			low[e.Instrument], high[e.Instrument] = e.Quote.Bid, e.Quote.Bid
		}
		low[e.Instrument], high[e.Instrument] = min(low[e.Instrument], e.Quote.Bid), max(high[e.Instrument], e.Quote.Bid)
	}
	between := func(what string, got, from, to float64) {
		t.Helper()
		t.Logf("%s: %.4g", what, got)
		if got < from || got > to {
			t.Errorf("%s is %.4g, want %.4g to %.4g", what, got, from, to)
		}
	}
	ratio := func(a, b int) float64 { return float64(a) / float64(b) }
	hot := &tallies[0]
	between("ticks a second", ratio(all.ticks, seconds), 0.8*rate, 1.2*rate)
	between("share of trades", ratio(all.trades, all.ticks), 0.05, 0.10)
	between("quotes that change a price", ratio(all.priceChanges, all.quotes), 0.02, 0.10)
	between("share of the busiest", ratio(hot.ticks, all.ticks), 0.18, 0.30)
	between("busiest over tenth", ratio(hot.ticks, tallies[9].ticks), 6, 14)
	between("gaps under 1 ms of the busiest", ratio(hot.shortGaps, hot.gaps), 0.45, 0.65)
	burst, mean := 0, 0.0
	for i := range tallies {
		for _, n := range tallies[i].bySecond {
			if m := ratio(tallies[i].ticks, seconds); n > burst {
				burst, mean = n, m
			}
		}
	}
	between("busiest second of all over its instrument's mean", float64(burst)/mean, 8, 30)
	for i, in := range m.Instruments() {
		moved := float64(high[i]-low[i]) / float64(low[i])
		if moved == 0 || moved > 0.05 {
			t.Errorf("%s moved by %.3g in %d seconds", in.Symbol, moved, seconds)
		}
	}
}

// In a quarter of an hour shares are halted and open again, trades are put right, and venues state what they do.
func TestNewsComesNowAndThen(t *testing.T) {
	m := newMarket(t, Config{Instruments: 40, Rate: 200, Seed: 1, Start: start})
	w := newWitness(m)
	var halts, corrections, cancellations, marks int
	for e := range m.Next(start + 900_000_000) {
		w.see(t, e)
		switch {
		case e.Kind == Status && e.Trading == market.TradingHalted:
			halts++
		case e.Kind == Trade && e.Trade.Kind == market.TradeCorrection:
			corrections++
		case e.Kind == Trade && e.Trade.Kind == market.TradeCancellation:
			cancellations++
		case e.Kind == Stats && e.Stats.Has&market.HasMark != 0:
			marks++
		}
	}
	if halts < 2 || halts > 40 || corrections < 5 || cancellations < 5 || marks != 901 {
		t.Errorf("%d halts, %d corrections, %d cancellations, %d marks", halts, corrections, cancellations, marks)
	}
}

func TestSkipMovesWhatIsToCome(t *testing.T) {
	cfg := Config{Instruments: 20, Rate: 1000, Seed: 3, Start: start}
	const second, hour = 1_000_000, 3_600_000_000
	plain, skipped := newMarket(t, cfg), newMarket(t, cfg)
	for range plain.Next(start + second) {
	}
	for range skipped.Next(start + second) {
	}
	skipped.Skip(hour)
	if skipped.Now() != start+second+hour {
		t.Errorf("now %d", skipped.Now())
	}
	var want, got []int64
	for e := range plain.Next(start + 3*second) {
		want = append(want, e.Time+hour, int64(e.Instrument), e.Quote.Bid, e.Trade.Price)
	}
	for e := range skipped.Next(start + 3*second + hour) {
		got = append(got, e.Time, int64(e.Instrument), e.Quote.Bid, e.Trade.Price)
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%d numbers behind a skip, want the %d without it", len(got), len(want))
	}
}

func TestConfigRefusals(t *testing.T) {
	for want, cfg := range map[string]Config{
		"0 simulated instruments: want 1 to 10000":                    {Rate: 1},
		"10001 simulated instruments: want 1 to 10000":                {Instruments: 10_001, Rate: 1},
		"simulated rate of 0 ticks a second: want 1 to 1000000":       {Instruments: 1},
		"simulated rate of 1000001 ticks a second: want 1 to 1000000": {Instruments: 1, Rate: MaxRate + 1},
		"simulated start at -1 µs":                                    {Instruments: 1, Rate: 1, Start: -1},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", cfg, err, want)
		}
	}
}

func TestListings(t *testing.T) {
	listings, err := list(MaxInstruments)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[market.Symbol]bool)
	for _, l := range listings {
		in := l.instrument
		if err := in.Symbol.Validate(); err != nil {
			t.Error(err)
		}
		if seen[in.Symbol] {
			t.Errorf("%s comes twice", in.Symbol)
		}
		seen[in.Symbol] = true
		if l.price < 100 || l.spread < 1 || l.size < in.SizeStep || l.size%in.SizeStep != 0 || in.PriceStep < 1 || in.PriceScale > market.MaxScale {
			t.Errorf("%s: %+v", in.Symbol, l)
		}
		if price := l.price * in.PriceStep; in.Symbol.Name == "ES-DEC" && price != 534425 {
			t.Errorf("ES-DEC begins at %d", price)
		}
	}
}

func TestFakeCanBeForetold(t *testing.T) {
	var previous market.Quote
	for second := int64(0); second < 2500; second++ {
		q, tr := Fake(second)
		if q.Bid < 10_000 || q.Bid > 10_999 || q.Ask != q.Bid+1 || q.BidSize < 1 || q.AskSize < 1 || q.ExchangeTime != second*1_000_000 {
			t.Fatalf("second %d: %+v", second, q)
		}
		if second > 0 && q.Bid != previous.Bid+1 && (q.Bid != 10_000 || previous.Bid != 10_999) {
			t.Fatalf("second %d: bid %d behind %d", second, q.Bid, previous.Bid)
		}
		if tr.ID != uint64(second) || tr.Size < 1 || tr.ExchangeTime != q.ExchangeTime ||
			!(tr.Aggressor == market.SideBuy && tr.Price == q.Ask) && !(tr.Aggressor == market.SideSell && tr.Price == q.Bid) {
			t.Fatalf("second %d: %+v on %+v", second, tr, q)
		}
		previous = q
	}
	if err := FakeInstrument().Symbol.Validate(); err != nil {
		t.Error(err)
	}
}

func BenchmarkMarket(b *testing.B) {
	m := newMarket(b, Config{Instruments: 40, Rate: 2000, Seed: 1, Start: start})
	b.ReportAllocs()
	n := 0
	next := m.Next(1 << 60)
	b.ResetTimer()
	for range next {
		if n++; n == b.N {
			break
		}
	}
}
