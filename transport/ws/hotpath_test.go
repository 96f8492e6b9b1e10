package ws

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
	"github.com/feedd/feedd/throttle"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/ws/wstest"
)

// viewer is a handler that subscribes what it is told to, for whoever comes.
type viewer struct{ sub *fanout.Subscriber }

func (v viewer) Receive([]byte)   {}
func (v viewer) Wake()            { v.sub.Wake() }
func (v viewer) End() []slog.Attr { v.sub.Detach(); return nil }

// flow is a market of 20 instruments whose frames go to one client, with workers and sockets as they are in earnest.
type flow struct {
	tb     testing.TB
	store  *snapshot.Store
	number int64
	trade  market.Trade // in one place, as ingest has it
	client *wstest.Client
	buf    [64 << 10]byte
}

func newFlow(t testing.TB, d Deflate, ch market.Channel, v market.View, c throttle.Cadence) *flow {
	t.Helper()
	f := &flow{tb: t, store: snapshot.NewStore(snapshot.Options{LogEvents: 256, LogMax: 256})}
	engine := fanout.New(f.store, fanout.Options{Workers: 2})
	f.store.Begin()
	for i := range 20 {
		if _, err := f.store.Define(market.Instrument{Symbol: market.Symbol{Venue: "v", Name: fmt.Sprint("S", i)}, PriceScale: 2}); err != nil {
			t.Fatal(err)
		}
	}
	f.store.Commit()
	var items []fanout.Item
	for i := range market.InstrumentID(20) {
		items = append(items, fanout.Item{Handle: engine.Handle(i, ch, v), History: 1})
	}
	engine.Start()
	t.Cleanup(engine.Close) // behind the server, whose handlers it must see off
	r := newRig(t, Options{Deflate: d, DeflateShare: 1, NewHandler: func(c0 *Conn, framing fanout.Framing) conns.Handler {
		sub := engine.Attach(c0.Outlet(), framing)
		sub.Subscribe(items, c)
		return viewer{sub}
	}})
	request := wstest.Request{Subprotocols: SubprotocolProto}
	if d != DeflateOff {
		request.Extensions = deflateOffer
	}
	f.client = wstest.Dial(t, r.addr, request)
	return f
}

// tick changes every instrument, once.
func (f *flow) tick(ch market.Channel) {
	f.number++
	n := f.number
	f.store.Begin()
	defer f.store.Commit()
	at := market.Position{Epoch: 1, Sequence: market.Sequence(n)}
	for i := range market.InstrumentID(20) {
		if ch == market.ChannelTrade {
			f.trade = market.Trade{Price: 1000 + n%50, Size: n % 11, ID: uint64(n), Position: at}
			f.store.Trade(i, &f.trade)
			continue
		}
		f.store.Quote(i, &market.Quote{Bid: 1000 + n%50, Ask: 1100 + n%50, BidSize: n % 7, AskSize: n % 5, Has: market.HasBid | market.HasAsk, Position: at})
	}
}

// wait returns when something has come.
func (f *flow) wait() {
	if _, err := f.client.Conn().Read(f.buf[:]); err != nil {
		f.tb.Fatal(err)
	}
}

// From the store to the client, over a socket, a frame allocates nothing.
func TestAFrameOverASocketAllocatesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		deflate Deflate
		channel market.Channel
		cadence throttle.Cadence
	}{
		"quotes":                    {DeflateOff, market.ChannelQuote, throttle.Every20ms},
		"quotes at once":            {DeflateOff, market.ChannelQuote, throttle.Immediate},
		"quotes where it may pay":   {DeflateAuto, market.ChannelQuote, throttle.Immediate},
		"trades at once":            {DeflateOff, market.ChannelTrade, throttle.Immediate},
		"quotes always compressed":  {DeflateAlways, market.ChannelQuote, throttle.Immediate},
		"trades compressed at 20ms": {DeflateAlways, market.ChannelTrade, throttle.Every20ms},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlow(t, c.deflate, c.channel, market.View{}, c.cadence)
			next := func() {
				f.tick(c.channel)
				f.wait()
			}
			for range 10 {
				next()
			}
			if n := testing.AllocsPerRun(50, next); n > tolerated(c.deflate) {
				t.Errorf("%v allocations for each frame", n)
			}
		})
	}
}

// BenchmarkAFrameOverASocket prints what a frame of 20 quotes costs from the store's commit to the client's read, both sides of
// the socket together.
func BenchmarkAFrameOverASocket(b *testing.B) {
	for name, d := range map[string]Deflate{"plain": DeflateOff, "deflate": DeflateAlways} {
		b.Run(name, func(b *testing.B) {
			f := newFlow(b, d, market.ChannelQuote, market.View{}, throttle.Immediate)
			b.ReportAllocs()
			for b.Loop() {
				f.tick(market.ChannelQuote)
				f.wait()
			}
		})
	}
}
