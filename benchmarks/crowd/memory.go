package crowd

import (
	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// memory is what a client was told in all its connections: positions, none of which may go back. It belongs to the
// goroutine that reads the client's connection; between two connections, to the member's.
type memory struct {
	member      *member
	instruments map[string]int
	quotes      map[string]market.Position
	trades      map[string]market.Position
}

func (y *memory) begin(m *member) {
	y.member = m
	y.instruments, y.quotes, y.trades = make(map[string]int), make(map[string]market.Position), make(map[string]market.Position)
	for i, symbol := range feed.Symbols(m.group.Choice.Instruments) {
		y.instruments[symbol] = i
	}
}

// update takes what a frame changed.
func (y *memory) update(u client.Update) {
	var told int64
	for _, r := range u.Quotes {
		y.quote(r)
	}
	for _, e := range u.Trades {
		to := market.Position{Epoch: e.Epoch, Sequence: e.To}
		switch e.Kind {
		case client.Traded:
			to = e.Trade.Position
		case client.Lost, client.Gap:
			told += int64(e.To-e.From) + 1
		case client.Recovered:
			continue
		}
		if to.Before(y.trades[e.Symbol]) {
			y.member.crowd.problem("%s: trades of %s went back from %v to %v", y.member.name, e.Symbol, y.trades[e.Symbol], to)
		}
		y.trades[e.Symbol] = to
	}
	c := y.member.crowd
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark.Frames++
	c.mark.Rows += int64(len(u.Quotes) + len(u.Trades) + len(u.Books))
	c.mark.Told += told
}

func (y *memory) quote(r client.QuoteRow) {
	q := r.Quote
	if !feed.Check(y.instruments[r.Symbol], feed.Quote{Bid: q.Bid, BidSize: q.BidSize, Ask: q.Ask, AskSize: q.AskSize}) {
		y.member.crowd.problem("%s: %s shows %+v, which was never published", y.member.name, r.Symbol, q)
	}
	if !r.Full {
		return
	}
	if before := y.quotes[r.Symbol]; q.Position.Before(before) {
		y.member.crowd.problem("%s: quotes of %s went back from %v to %v", y.member.name, r.Symbol, before, q.Position)
	}
	y.quotes[r.Symbol] = q.Position
}

// resumes are where trades go on.
func (y *memory) resumes(symbols []string) []*feedv1.Resume {
	var all []*feedv1.Resume
	for _, symbol := range symbols {
		if at, ok := y.trades[symbol]; ok {
			all = append(all, resume(symbol, at))
		}
	}
	return all
}
