package snapshot

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

func define(s *Store, names ...string) {
	s.Begin()
	for _, n := range names {
		sym, err := market.ParseSymbol(n)
		if err != nil {
			panic(err)
		}
		if _, err := s.Define(market.Instrument{Symbol: sym, PriceScale: 2}); err != nil {
			panic(err)
		}
	}
	s.Commit()
}

func TestMatch(t *testing.T) {
	s := NewStore(Options{})
	define(s, "binance:ETHUSDT", "binance:BTCUSDT", "binance:BTCEUR", "sim:BTC-USD", "a:*")
	for _, c := range []struct {
		pattern string
		limit   int
		want    []string
	}{
		{"binance:*USDT", 9, []string{"binance:BTCUSDT", "binance:ETHUSDT"}},
		{"binance:*", 2, []string{"binance:BTCEUR", "binance:BTCUSDT"}},
		{"*:BTC*", 9, []string{"binance:BTCEUR", "binance:BTCUSDT", "sim:BTC-USD"}},
		{"*", 9, []string{"a:*", "binance:BTCEUR", "binance:BTCUSDT", "binance:ETHUSDT", "sim:BTC-USD"}},
		{"binance:BTCUSDT", 9, []string{"binance:BTCUSDT"}},
		{"binance:BTC", 9, nil},
		{"*USDT*USDT", 9, nil},
		{"**B**", 9, []string{"binance:BTCEUR", "binance:BTCUSDT", "sim:BTC-USD"}},
		{"", 9, nil},
	} {
		var got []string
		for _, id := range s.Match(c.pattern, c.limit) {
			got = append(got, s.Instrument(id).Symbol.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.pattern, got, c.want)
		}
	}
}

func TestDefineKeepsScalesAndBoundsInstruments(t *testing.T) {
	s := NewStore(Options{Instruments: 1})
	define(s, "v:A")
	s.Begin()
	defer s.Commit()
	id, err := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "A"}, PriceScale: 5, Description: "new"})
	if err != nil || id != 0 {
		t.Fatal(id, err)
	}
	if in := s.records[0].instrument; in.PriceScale != 2 || in.Description != "new" || in.Source != "v" {
		t.Fatalf("%+v", in)
	}
	if _, err := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "B"}}); err == nil {
		t.Fatal("the limit does not hold")
	}
}

func TestHandlesAreDenseAndStable(t *testing.T) {
	s := NewStore(Options{})
	define(s, "v:A", "v:B")
	q, tr := s.Handle(1, market.ChannelQuote, market.View{}), s.Handle(1, market.ChannelTrade, market.View{})
	src := s.SourceHandle("v")
	if q != 1 || tr != 2 || src != 3 || s.Handle(1, market.ChannelQuote, market.View{}) != q || s.SourceHandle("nobody") != 0 {
		t.Fatal(q, tr, src)
	}
	if k := s.Topic(tr).Key; k.Instrument() != 1 || k.Channel() != market.ChannelTrade {
		t.Fatal(k)
	}
	if k := s.Topic(src).Key; k.Channel() != market.ChannelNone {
		t.Fatal(k)
	}
}

// The journal names every change of what is followed since a position, or says that it cannot.
func TestJournal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewStore(Options{})
		define(s, "v:A", "v:B", "v:C", "v:D")
		woken := 0
		s.Watch(func() { woken++ })
		r := s.Acquire()
		for id := range market.InstrumentID(3) {
			r.Follow(MakeKey(id, market.ChannelQuote))
		}
		r.Follow(MakeKey(3, market.ChannelQuote))
		r.Unfollow(MakeKey(3, market.ChannelQuote))
		r.Release()
		var from uint64
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			n := rapid.SampledFrom([]int{0, 1, 3, journalSize - 1, journalSize, journalSize + 1}).Draw(t, "n")
			woken = 0
			s.Begin()
			for i := range n {
				s.Quote(market.InstrumentID(i%3), &market.Quote{})
			}
			s.Quote(3, &market.Quote{}) // which nobody follows
			s.Trade(0, &market.Trade{})
			s.Commit()
			if (woken == 1) != (n > 0) {
				t.Fatalf("woken %d times by %d changes", woken, n)
			}
			r := s.Acquire()
			a, b, next, ok := r.Changes(from)
			r.Release()
			if ok != (n <= journalSize) || (ok && len(a)+len(b) != n) || next != from+uint64(n) {
				t.Fatalf("%d changes: %d+%d, %v", n, len(a), len(b), ok)
			}
			for i, k := range append(slices.Clone(a), b...) {
				if k != MakeKey(market.InstrumentID(i%3), market.ChannelQuote) {
					t.Fatalf("change %d is %d", i, k)
				}
			}
			from = next
		}
	})
}

func TestQuoteAllocatesNothing(t *testing.T) {
	s := NewStore(Options{})
	define(s, "v:A")
	q := market.Quote{Bid: 1}
	s.Begin()
	s.Quote(0, &q)
	s.Commit()
	if n := testing.AllocsPerRun(1000, func() { s.Begin(); s.Quote(0, &q); s.Commit() }); n != 0 {
		t.Fatalf("%v allocations per tick", n)
	}
}

// A halt keeps its words while the rows cannot be believed for another reason.
func TestAStatusShowsTheMoreUrgentReason(t *testing.T) {
	s := NewStore(Options{})
	define(s, "v:A")
	for _, step := range []struct {
		do   func()
		want market.Status
	}{
		{func() { s.Trading(0, market.TradingHalted, "LULD") }, market.Status{Quality: market.QualityOK, Trading: market.TradingHalted, Reason: "LULD"}},
		{func() { s.Quality(0, market.QualitySuspect, "gap") }, market.Status{Quality: market.QualitySuspect, Trading: market.TradingHalted, Reason: "gap"}},
		{func() { s.Quality(0, market.QualitySuspect, "crossed") }, market.Status{Quality: market.QualitySuspect, Trading: market.TradingHalted, Reason: "crossed"}},
		{func() { s.Quality(0, market.QualityOK, "") }, market.Status{Quality: market.QualityOK, Trading: market.TradingHalted, Reason: "LULD"}},
		{func() { s.Trading(0, market.TradingOpen, "") }, market.Status{Quality: market.QualityOK, Trading: market.TradingOpen}},
	} {
		_, before := (*Reader)(s).Status(0)
		for range 2 { // the second time says nothing new
			s.Begin()
			step.do()
			s.Commit()
		}
		step.want.Stream = market.StreamOpen
		if got, ticks := (*Reader)(s).Status(0); got != step.want || ticks != before+1 {
			t.Fatalf("%+v after %d changes, want %+v", got, ticks-before, step.want)
		}
	}
}

// Who follows an instrument goes on following it when its state is let go of, and hears when that is there again.
func TestWhoFollowsAnInstrumentOutlastsItsState(t *testing.T) {
	s := NewStore(Options{})
	woken := 0
	s.Watch(func() { woken++ })
	s.Begin()
	id, _ := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
	s.Quote(id, &market.Quote{Bid: 1})
	s.Commit()
	key := MakeKey(id, market.ChannelQuote)
	r := s.Acquire()
	r.Follow(key)
	r.Release()
	changes := func(change func()) {
		t.Helper()
		woken = 0
		s.Begin()
		change()
		s.Commit()
	}
	changes(func() { s.Forget(id) })
	if changes(func() { s.Settle(id, 0) }); woken != 1 {
		t.Errorf("the state is there again, and wakes %d times, want 1", woken)
	}
	if changes(func() { s.Quote(id, &market.Quote{Bid: 2}) }); woken != 1 {
		t.Errorf("a quote behind that wakes %d times, want 1", woken)
	}
	r = s.Acquire()
	r.Unfollow(key)
	r.Release()
	if changes(func() { s.Quote(id, &market.Quote{Bid: 3}) }); woken != 0 {
		t.Error("somebody follows an instrument that nobody does any more")
	}
}

// A batch is begun in passing only for somebody who wants to hear of it at once, and while nobody reads.
func TestABatchIsBegunInPassingForFollowersAlone(t *testing.T) {
	s := NewStore(Options{})
	s.Begin()
	id, err := s.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: "n"}})
	if err != nil {
		t.Fatal(err)
	}
	s.Commit()
	try := func(want bool, when string) {
		t.Helper()
		got := s.TryBegin()
		if got {
			s.Commit()
		}
		if got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	k := MakeKey(id, market.ChannelQuote)
	try(false, "nobody follows anything")
	r := s.Acquire()
	r.Follow(k)
	try(false, "somebody reads")
	r.Release()
	try(true, "somebody follows")
	r = s.Acquire()
	r.Unfollow(k)
	r.Release()
	try(false, "nobody follows any more")
}
