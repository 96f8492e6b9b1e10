package session_test

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/snapshot"
)

var _ session.Directory = (*snapshot.Store)(nil)

type realEngine struct{ *fanout.Engine }

func (e realEngine) Attach(c fanout.Conn, f fanout.Framing) session.Subscriber {
	return e.Engine.Attach(c, f)
}

// modelConn gives everything that it is sent to a client that knows the rules, and is not always ready.
type modelConn struct {
	mu      sync.Mutex
	changed sync.Cond
	model   *client.Model
	events  []client.TradeEvent
	text    bool // frames are JSON
	faults  []error
	chance  *rand.Rand
	asleep  bool // refuses rows until it is woken
}

func (c *modelConn) Remote() string    { return "192.0.2.1:1234" }
func (c *modelConn) Transport() string { return "model" }

func (c *modelConn) take(payload []byte) bool {
	f := new(feedv1.ServerFrame)
	read := proto.Unmarshal
	if c.text {
		read = protojson.Unmarshal
	}
	err := read(payload, f)
	if err == nil {
		var u client.Update
		u, err = c.model.Apply(f)
		c.events = append(c.events, u.Trades...)
	}
	if err != nil {
		c.faults = append(c.faults, err)
	}
	c.changed.Broadcast()
	return true
}

func (c *modelConn) Send(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep = c.asleep || c.chance.IntN(8) == 0
	return !c.asleep && c.take(b)
}

func (c *modelConn) SendControl(payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.take(payload)
}

func (c *modelConn) Drained() bool                   { return true }
func (c *modelConn) Ready() bool                     { return true }
func (c *modelConn) Admitted()                       {}
func (c *modelConn) Close(session.CloseCode, string) {}

func (c *modelConn) wake(s *session.Session) {
	c.mu.Lock()
	c.asleep = false
	c.mu.Unlock()
	s.Wake()
}

// allChannels are subscribed with the views of realViews.
var allChannels = []string{"quote", "trade", "status", "book", "bar", "stats"}

// realViews are asked for in turn; none of them hides another.
var realViews = []*feedv1.Subscribe{
	{Channels: allChannels}, {Channels: allChannels, Depth: 5, BarSeconds: 1}, {Channels: []string{"trade", "book"}, TradeSummary: true, Depth: 10, PriceGroup: 5},
}

// realMarket moves everything of all instruments of a store.
type realMarket struct {
	store *snapshot.Store
	ticks market.Sequence
}

func (m *realMarket) move(instruments int, now int64) {
	m.ticks++
	at := market.Position{Epoch: 1, Sequence: m.ticks}
	n := int64(m.ticks)
	m.store.Begin()
	for i := range instruments {
		id := market.InstrumentID(i)
		m.store.Quote(id, &market.Quote{Bid: n, BidSize: 1, Has: market.HasBid, IngestTime: now, Position: at})
		m.store.Trade(id, &market.Trade{Price: n, Size: 1, IngestTime: now, Position: at})
		m.store.Book(id, &market.BookEvent{
			Snapshot: m.ticks == 1, Bids: []market.Level{{Price: n, Size: 1}, {Price: n - 8}}, Asks: []market.Level{{Price: n + 10, Size: n}, {Price: n}},
			IngestTime: now, Position: at,
		})
	}
	m.store.Advance(now)
	m.store.Commit()
}

// With the real engine and a market that moves all the time, a client that holds the session to every rule of
// the protocol finds nothing wrong, whatever it asks and however slow it is, and ends up with the last of everything,
// also of what was defined only meanwhile.
func TestRealEngineKeepsTheRules(t *testing.T) {
	p := newPlace(exchange())
	store := snapshot.NewStore(snapshot.Options{})
	engine := fanout.New(store, fanout.Options{Workers: 2})
	instruments := append(exchange(), crowd(7)...)
	define := func(in market.Instrument) {
		store.Begin()
		defer store.Commit()
		if _, err := store.Define(in); err != nil {
			t.Fatal(err)
		}
	}
	for _, in := range exchange() {
		define(in)
	}
	engine.Start()
	defer engine.Close()
	p.env.Engine, p.env.Directory = realEngine{engine}, store
	chance := rand.New(rand.NewPCG(1, 2))
	conn := &modelConn{model: client.NewModel(), chance: rand.New(rand.NewPCG(3, 4))}
	conn.changed.L = &conn.mu
	s := session.New(&p.env, conn, fakeFraming(fanout.Proto), nil)
	defer s.End()

	// Somebody else has the session look at the directory all the while.
	var watcher sync.WaitGroup
	stop := make(chan struct{})
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.Refresh()
				runtime.Gosched()
			}
		}
	})
	m := &realMarket{store: store}
	symbols := []string{"binance:*", "many:*", "test:NONE"}
	for _, in := range instruments {
		symbols = append(symbols, in.Symbol.String())
	}
	cadences := []uint32{0, 0, 20, 50}
	known := len(exchange())
	for step := range 400 {
		p.now += 100_000
		if step%60 == 59 {
			define(instruments[known])
			known++
		}
		m.move(known, p.now)
		f := &feedv1.ClientFrame{Id: 1}
		switch chance.IntN(4) {
		case 0, 1:
			ask := proto.Clone(realViews[chance.IntN(len(realViews))]).(*feedv1.Subscribe)
			ask.Symbols, ask.CadenceMs = []string{symbols[chance.IntN(len(symbols))]}, &cadences[chance.IntN(4)]
			f.Request = &feedv1.ClientFrame_Subscribe{Subscribe: ask}
		case 2:
			f.Request = &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{CadenceMs: &cadences[chance.IntN(4)]}}
		case 3:
			f.Request = &feedv1.ClientFrame_Unsubscribe{Unsubscribe: conn.someOf(symbols[chance.IntN(len(symbols))], chance.IntN(12) == 0)}
		}
		s.Receive(encodeClient(t, fanout.Proto, f))
		if chance.IntN(3) == 0 {
			conn.wake(s)
		}
	}
	for _, ask := range realViews {
		ask = proto.Clone(ask).(*feedv1.Subscribe)
		ask.Symbols, ask.CadenceMs = []string{"*"}, &cadences[0]
		s.Receive(encodeClient(t, fanout.Proto, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: ask}}))
	}
	define(instruments[known])
	m.move(known+1, p.now)
	conn.mu.Lock()
	conn.chance = rand.New(always{}) // awake from now on
	conn.mu.Unlock()
	conn.wake(s)
	conn.mu.Lock()
	for !upToDate(conn.model, instruments[:known+1], m.ticks) && len(conn.faults) == 0 {
		conn.changed.Wait()
	}
	conn.mu.Unlock()
	close(stop)
	watcher.Wait()
	conn.mu.Lock()
	defer conn.mu.Unlock()
	for _, err := range conn.faults {
		t.Error(err)
	}
}

// someOf names what to unsubscribe of a symbol: its quote, trades and a book, or the pattern that it is, or all.
func (c *modelConn) someOf(symbol string, all bool) *feedv1.Unsubscribe {
	if all {
		return new(feedv1.Unsubscribe)
	}
	if strings.Contains(symbol, "*") {
		return &feedv1.Unsubscribe{Patterns: []string{symbol}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &feedv1.Unsubscribe{Handles: []uint32{
		c.model.Handle(symbol, market.ChannelQuote), c.model.Handle(symbol, market.ChannelTrade), c.model.HandleOf(symbol, market.ChannelBook, market.View{Depth: 5}),
	}}
}

// always is a source of chance by which IntN never comes out as 0.
type always struct{}

func (always) Uint64() uint64 { return 1<<64 - 1 }

func upToDate(m *client.Model, instruments []market.Instrument, ticks market.Sequence) bool {
	for _, in := range instruments {
		symbol := in.Symbol.String()
		q, _ := m.Quote(symbol)
		trade, _ := m.LastTrade(symbol)
		st, known := m.Status(symbol)
		stats, _ := m.Stats(symbol)
		sum, _ := m.Summed(symbol)
		bars := m.Bars(symbol, 60)
		if q.Bid != int64(ticks) || trade.Position.Sequence != ticks || !known || st.Quality != market.QualityOK ||
			stats.Last != int64(ticks) || sum.Position.Sequence != ticks || len(bars) == 0 || bars[len(bars)-1].Close != int64(ticks) {
			return false
		}
		for _, view := range []market.View{{}, {Depth: 5}} {
			book, ok := m.Book(symbol, view)
			if !ok {
				return false
			}
			if bids := book.Bids(); len(bids) == 0 || bids[0].Price != int64(ticks) {
				return false
			}
		}
	}
	return true
}
