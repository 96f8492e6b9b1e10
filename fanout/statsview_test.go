package fanout

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

func checkStats(t fataler, c *board, h Handle, symbol string, want *feedv1.Stats) {
	if c.encoding == Proto {
		got := c.stats[h]
		if got == nil {
			t.Fatalf("no statistics of %s came", symbol)
			return
		}
		got = proto.CloneOf(got)
		for _, text := range []*string{&got.Turnover, &got.SessionTurnover} {
			if *text == "" {
				*text = "0.00"
			}
		}
		if !proto.Equal(got, want) {
			t.Fatalf("statistics of %s:\nhold %v\nwant %v", symbol, got, want)
		}
		return
	}
	got := c.statsText[symbol]
	if got == nil {
		t.Fatalf("no statistics of %s came", symbol)
		return
	}
	day := got.GetDay()
	if int64(day.GetTrades()) != want.Trades || want.Trades != 0 && (price(day.Open) != want.Open || price(day.High) != want.High ||
		price(day.Change) != want.Last-want.Open || day.Turnover != want.Turnover || price(got.Last) != want.Last) {
		t.Fatalf("statistics of %s:\nhold %v\nwant %v", symbol, got, want)
	}
}

func TestStatisticsAreDifferencesUntilTheDayIsOver(t *testing.T) {
	x := newExchange(1, 64, Options{})
	h := x.handle(0, market.ChannelStats)
	r := newBoard(Proto)
	x.trade(0, market.Trade{Price: 100, Size: 2})
	x.join(r).Subscribe([]Item{{Handle: h}}, throttle.Every100ms)
	x.worker.turn()
	if rows := r.last.Stats; len(rows) != 1 || !rows[0].Full || rows[0].Last != 100 || rows[0].Turnover != "2.00" {
		t.Fatalf("%v", rows)
	}
	x.trade(0, market.Trade{Price: 103, Size: 2})
	x.pass(100)
	if rows := r.last.Stats; len(rows) != 1 || rows[0].Full || rows[0].Last != 3 || rows[0].High != 3 || rows[0].Low != 0 || rows[0].Has != nil {
		t.Fatalf("%v", rows)
	}
	frames := r.frames
	x.pass(100_000)
	if r.frames != frames {
		t.Fatalf("rows while nothing changes: %v", r.last)
	}
	x.now += 86400 * 1_000_000
	x.pass(200)
	s := r.stats[h]
	if s.Trades != 0 || s.High != 0 || s.Turnover != "0.00" || s.Last != 103 || s.SessionTrades != 0 || s.SessionStartS != 1_900_000_000/86400*86400+86400 {
		t.Fatalf("a day later: %v", s)
	}
	x.checkErrors(t, r)
}
