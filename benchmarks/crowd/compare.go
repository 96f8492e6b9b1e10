package crowd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
)

// compare waits until the client holds what was published last, whatever connection it has by then.
func (m *member) compare(ctx context.Context, final feed.Final) Comparison {
	for {
		var got Comparison
		wrong := fmt.Errorf("it has no connection")
		if c := m.current(); c != nil {
			err := c.Await(ctx, func(held *client.Model) bool {
				got, wrong = m.holds(held, final)
				return wrong == nil
			})
			if err == nil {
				return got
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return Comparison{Problems: []string{fmt.Sprintf("%s never came to what was published last: %v", m.name, wrong)}}
		}
	}
}

// holds compares a client's state with what was published last.
func (m *member) holds(held *client.Model, final feed.Final) (n Comparison, err error) {
	for _, s := range m.group.Subscribe {
		symbols := m.symbols
		if s.First > 0 {
			symbols = symbols[:s.First]
		}
		for _, symbol := range symbols {
			i := m.memory.instruments[symbol]
			for _, ch := range s.Channels {
				switch ch {
				case "quote":
					n.Quotes++
					err = sameQuote(held, symbol, final.Quotes[i])
				case "book":
					n.Books++
					err = sameBook(held, symbol, s.Depth, final.Tops[i])
				case "trade":
					n.Tapes++
					err = sameTape(held, symbol, market.Position{Epoch: final.Epoch, Sequence: final.Trades[i]})
				}
				if err != nil {
					return n, err
				}
			}
		}
	}
	return n, nil
}

func sameQuote(held *client.Model, symbol string, want feed.Quote) error {
	q, _ := held.Quote(symbol)
	if got := (feed.Quote{Bid: q.Bid, BidSize: q.BidSize, Ask: q.Ask, AskSize: q.AskSize}); got != want {
		return fmt.Errorf("quote of %s: %+v, want %+v", symbol, got, want)
	}
	return nil
}

func sameBook(held *client.Model, symbol string, depth uint32, want feed.Book) error {
	b, _ := held.Book(symbol, market.View{Depth: uint8(depth)})
	same := func(got []market.Level, want []feed.Level) bool {
		want = want[:min(len(want), int(depth))]
		return slices.EqualFunc(got, want, func(a market.Level, b feed.Level) bool { return a.Price == b.Price && a.Size == b.Size })
	}
	if !same(b.Bids(), want.Bids) || !same(b.Asks(), want.Asks) {
		return fmt.Errorf("book of %s: %v %v, want %v", symbol, b.Bids(), b.Asks(), want)
	}
	return nil
}

// sameTape holds where trades have got to; that none is left out between is the client's own rule.
func sameTape(held *client.Model, symbol string, want market.Position) error {
	if want.Sequence == 0 {
		return nil
	}
	if got, _ := held.TradePosition(symbol); got != want {
		return fmt.Errorf("trades of %s: up to %v, want %v", symbol, got, want)
	}
	return nil
}
