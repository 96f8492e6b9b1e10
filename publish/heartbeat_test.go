package publish

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func TestHeartbeats(t *testing.T) {
	nc := connect(t)
	next := listen(t, nc, "md.demo.heartbeat")
	p := newPublisher(t, nc, Options{Source: "spot", Line: "A", Epoch: 9, HeartbeatInterval: 10 * time.Millisecond, Linger: UntilFlush})
	var h marketdatav1.Heartbeat
	if next(&h); h.Source != "spot" || h.Line != "A" || h.Epoch != 9 || h.IntervalMs != 10 || h.PublishTimeUs == 0 || h.Closing {
		t.Errorf("first heartbeat %v", &h)
	}
	i := define(t, p)
	must(t, i.Quote(quoteAt(1)), i.Quote(quoteAt(2)), i.Trade(market.Trade{}))
	// What waits in a batch was not published, so no heartbeat may name it.
	for range 3 {
		if next(&h); len(h.Positions) != 0 {
			t.Fatalf("positions %v of ticks that were not sent", h.Positions)
		}
	}
	must(t, p.Flush())
	named := 0
	for named < reports {
		if next(&h); len(h.Positions) == 0 {
			continue
		}
		named++
		if len(h.Positions) != 2 || h.Positions[0].Symbol != "BTC/USD" || h.Positions[0].Channel != "quote" || h.Positions[0].Sequence != 2 ||
			h.Positions[1].Channel != "trade" || h.Positions[1].Sequence != 1 {
			t.Errorf("positions %v", h.Positions)
		}
	}
	must(t, i.Quote(quoteAt(3)))
	must(t, p.Close())
	for !h.Closing {
		next(&h)
	}
	if len(h.Positions) != 1 || h.Positions[0].Sequence != 3 {
		t.Errorf("closing heartbeat %v, want the last quote's number", &h)
	}
	must(t, p.Close())
	for _, err := range []error{i.Quote(quoteAt(1)), i.Trade(market.Trade{}), i.Book(Book{}), i.Trading(0, "", 0), i.Statistics(market.Statistics{}), errOf(p.Define(btc))} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// Whoever starts late learns of what is quiet: its last numbers come again with its definition.
func TestHeartbeatsNameWhatIsQuietInTurn(t *testing.T) {
	nc := connect(t)
	p := newPublisher(t, nc, Options{HeartbeatInterval: 10 * time.Millisecond})
	i := define(t, p)
	must(t, i.Quote(quoteAt(1)), i.Quote(quoteAt(2)), i.Trade(market.Trade{}), p.Flush())
	time.Sleep(2 * reports * 10 * time.Millisecond)
	next := listen(t, nc, "md.demo.heartbeat")
	for range 3 * reports {
		var h marketdatav1.Heartbeat
		if next(&h); len(h.Positions) != 2 || h.Positions[0].Sequence != 2 || h.Positions[1].Sequence != 1 {
			t.Fatalf("positions %v of an instrument whose turn it is", h.Positions)
		}
	}
}

func TestManyPositionsMakeSeveralHeartbeats(t *testing.T) {
	nc := connect(t)
	p := newPublisher(t, nc, Options{HeartbeatInterval: time.Minute})
	const n = 3000
	for k := range n {
		in := btc
		in.Symbol.Name = strings.Repeat("X", 40) + string(rune('A'+k%26)) + string(rune('A'+k/26%26)) + string(rune('A'+k/676))
		i, err := p.Define(in)
		must(t, err, i.Quote(quoteAt(1)))
	}
	next := listen(t, nc, "md.demo.heartbeat")
	must(t, p.Close())
	seen := map[string]bool{}
	for {
		var h marketdatav1.Heartbeat
		next(&h)
		for _, p := range h.Positions {
			seen[p.Symbol] = true
		}
		if h.Closing {
			break
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d positions", len(seen), n)
	}
}
