package session_test

import (
	"math/rand/v2"
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
func (c *modelConn) Close(session.CloseCode, string) {}

func (c *modelConn) wake(s *session.Session) {
	c.mu.Lock()
	c.asleep = false
	c.mu.Unlock()
	s.Wake()
}

// With the real engine and a market that moves all the time, a client that holds the session to every rule of
// the protocol finds nothing wrong, whatever it asks and however slow it is, and ends up with the last prices.
func TestRealEngineKeepsTheRules(t *testing.T) {
	p := newPlace(exchange())
	store := snapshot.NewStore(snapshot.Options{})
	engine := fanout.New(store, fanout.Options{Workers: 2})
	store.Begin()
	for _, in := range p.directory.instruments {
		if _, err := store.Define(in); err != nil {
			t.Fatal(err)
		}
	}
	store.Commit()
	engine.Start()
	defer engine.Close()
	p.env.Engine, p.env.Directory = realEngine{engine}, store
	chance := rand.New(rand.NewPCG(1, 2))
	conn := &modelConn{model: client.NewModel(), chance: rand.New(rand.NewPCG(3, 4))}
	conn.changed.L = &conn.mu
	s := session.New(&p.env, conn, fakeFraming(fanout.Proto))
	defer s.End()

	ticks := market.Sequence(0)
	move := func() {
		ticks++
		store.Begin()
		for i := range p.directory.instruments {
			at := market.Position{Epoch: 1, Sequence: ticks}
			store.Quote(market.InstrumentID(i), &market.Quote{Bid: int64(ticks), BidSize: 1, Has: market.HasBid, IngestTime: p.now, Position: at})
			store.Trade(market.InstrumentID(i), &market.Trade{Price: int64(ticks), Size: 1, IngestTime: p.now, Position: at})
		}
		store.Commit()
	}
	symbols := []string{"binance:*", "test:NONE"}
	for _, in := range p.directory.instruments {
		symbols = append(symbols, in.Symbol.String())
	}
	cadences := []uint32{0, 0, 20, 50}
	for range 400 {
		p.now += 100_000
		move()
		f := &feedv1.ClientFrame{Id: 1}
		switch chance.IntN(4) {
		case 0, 1:
			f.Request = &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
				Symbols: []string{symbols[chance.IntN(len(symbols))]}, Channels: []string{"quote", "trade"}, CadenceMs: &cadences[chance.IntN(4)],
			}}
		case 2:
			f.Request = &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{CadenceMs: &cadences[chance.IntN(4)]}}
		case 3:
			m := new(feedv1.Unsubscribe)
			if in := chance.IntN(len(symbols) + 1); in < len(symbols) {
				conn.mu.Lock()
				m.Handles = []uint32{conn.model.Handle(symbols[in], market.ChannelQuote), conn.model.Handle(symbols[in], market.ChannelTrade)}
				conn.mu.Unlock()
			}
			f.Request = &feedv1.ClientFrame_Unsubscribe{Unsubscribe: m}
		}
		s.Receive(encodeClient(t, fanout.Proto, f))
		if chance.IntN(3) == 0 {
			conn.wake(s)
		}
	}
	s.Receive(encodeClient(t, fanout.Proto, &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
		Symbols: []string{"*"}, Channels: []string{"quote", "trade"}, CadenceMs: &cadences[0],
	}}}))
	conn.mu.Lock()
	conn.chance = rand.New(always{}) // awake from now on
	conn.mu.Unlock()
	conn.wake(s)
	conn.mu.Lock()
	defer conn.mu.Unlock()
	for !upToDate(conn.model, p.directory.instruments, ticks) && len(conn.faults) == 0 {
		conn.changed.Wait()
	}
	for _, err := range conn.faults {
		t.Error(err)
	}
}

// always is a source of chance by which IntN never comes out as 0.
type always struct{}

func (always) Uint64() uint64 { return 1<<64 - 1 }

func upToDate(m *client.Model, instruments []market.Instrument, ticks market.Sequence) bool {
	for _, in := range instruments {
		q, _ := m.Quote(in.Symbol.String())
		trade, _ := m.LastTrade(in.Symbol.String())
		st, known := m.Status(in.Symbol.String())
		if q.Bid != int64(ticks) || trade.Position.Sequence != ticks || !known || st.Quality != market.QualityOK {
			return false
		}
	}
	return true
}
