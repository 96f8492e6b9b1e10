package peers

import (
	"net/http"
	"sync"
	"time"

	"github.com/lxzan/gws"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// broadcast sends the newest quote of each instrument that changed to all connections, at a beat.
type broadcast struct {
	gws.BuiltinEventHandler
	handles map[string]market.Handle // by symbol; fixed

	mu      sync.Mutex
	quotes  map[string]market.Quote // that changed since the last beat
	all     map[string]market.Quote
	clients map[*gws.Conn]struct{}

	halt chan struct{}
	done chan struct{}
}

func newBroadcast(cfg Config, nc *nats.Conn) (http.Handler, func(), error) {
	b := &broadcast{
		handles: make(map[string]market.Handle), quotes: make(map[string]market.Quote), all: make(map[string]market.Quote),
		clients: make(map[*gws.Conn]struct{}), halt: make(chan struct{}), done: make(chan struct{}),
	}
	for i, symbol := range cfg.Symbols {
		b.handles[symbol] = market.Handle(i + 1)
	}
	if err := subscribe(nc, b.ticks); err != nil {
		return nil, nil, err
	}
	go b.run(cfg.Cadence)
	upgrader := gws.NewUpgrader(b, &gws.ServerOption{ReadBufferSize: 512})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go conn.ReadLoop()
	})
	return handler, b.stop, nil
}

func (b *broadcast) ticks(symbol string, data []byte) {
	var batch marketdatav1.TickBatch
	if err := proto.Unmarshal(data, &batch); err != nil || len(batch.GetQuotes()) == 0 {
		return
	}
	last := len(batch.GetQuotes()) - 1
	q := batch.GetQuotes()[last]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quotes[symbol] = market.Quote{
		Bid: q.GetBid(), BidSize: q.GetBidSize(), Ask: q.GetAsk(), AskSize: q.GetAskSize(), ExchangeTime: q.GetExchangeTimeUs(),
		IngestTime: time.Now().UnixMicro(), Has: market.HasBid | market.HasAsk | market.HasExchangeTime,
		Position: market.Position{Epoch: market.Epoch(batch.GetEpoch()), Sequence: market.Sequence(batch.GetSequence()) + market.Sequence(last)},
	}
}

// run is the goroutine that sends, started with the server and ended by stop.
func (b *broadcast) run(cadence time.Duration) {
	defer close(b.done)
	ticker := time.NewTicker(cadence)
	defer ticker.Stop()
	for {
		select {
		case <-b.halt:
			return
		case <-ticker.C:
			b.send()
		}
	}
}

func (b *broadcast) send() {
	b.mu.Lock()
	payload := b.frame(b.quotes)
	for symbol, q := range b.quotes {
		b.all[symbol] = q
	}
	clear(b.quotes)
	clients := make([]*gws.Conn, 0, len(b.clients))
	for c := range b.clients {
		clients = append(clients, c)
	}
	b.mu.Unlock()
	message := gws.NewBroadcaster(gws.OpcodeBinary, payload)
	for _, c := range clients {
		_ = message.Broadcast(c) // one that left is told of by OnClose
	}
	_ = message.Close()
}

func (b *broadcast) frame(quotes map[string]market.Quote) []byte {
	now := time.Now().UnixMicro()
	payload, err := proto.Marshal(&feedv1.ServerFrame{CutTimeUs: uint64(now)})
	if err != nil {
		return nil
	}
	for symbol, q := range quotes {
		payload = wire.AppendQuoteFull(payload, b.handles[symbol], &q, now)
	}
	return payload
}

// OnOpen implements gws.Event.
func (b *broadcast) OnOpen(c *gws.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = c.WriteMessage(gws.OpcodeBinary, b.frame(b.all))
	b.clients[c] = struct{}{}
}

// OnClose implements gws.Event.
func (b *broadcast) OnClose(c *gws.Conn, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.clients, c)
}

// stop ends sending and hangs up.
func (b *broadcast) stop() {
	close(b.halt)
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.clients {
		_ = c.NetConn().Close()
	}
}
