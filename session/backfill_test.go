package session_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/snapshot"
)

// tape is all trades of an instrument, and what a stream still has of them.
type tape struct {
	trades []market.Trade
	kept   func(market.Position) bool
	err    error
}

func (s *tape) Trades(_ context.Context, _ market.Symbol, after, before market.Position, limit int) (found []market.Trade, complete bool, err error) {
	complete = true
	for _, t := range s.trades {
		switch {
		case !after.Before(t.Position) || !t.Position.Before(before):
		case s.kept(t.Position):
			found = append(found, t)
		default:
			complete = false
		}
	}
	if beyond := len(found) - limit; beyond > 0 {
		found, complete = found[beyond:], false
	}
	return found, complete, s.err
}

// newTape makes trades of two epochs.
func newTape(first, second int) *tape {
	s := &tape{kept: func(market.Position) bool { return true }}
	add := func(epoch market.Epoch, n int) {
		for i := range n {
			s.trades = append(s.trades, market.Trade{
				Price: int64(1000 - i%7), Size: int64(i%5 + 1), ID: uint64(len(s.trades) + 40), Aggressor: market.Side(i % 3),
				ExchangeTime: 1_700_000_000_000_000 + int64(i)*1000, IngestTime: 1_700_000_000_002_000 + int64(i)*1000,
				Position: market.Position{Epoch: epoch, Sequence: market.Sequence(i + 1)},
			})
		}
	}
	add(7, first)
	add(9, second)
	return s
}

// resumeFrom has a client that was at the tape's trade number at resume, and returns all it was told once it is at
// the end.
func resumeFrom(t fataler, s *tape, at int, e fanout.Encoding) []client.TradeEvent {
	p := newPlace(exchange())
	store := snapshot.NewStore(snapshot.Options{LogEvents: 8, LogMax: 8, LogFor: time.Microsecond})
	engine := fanout.New(store, fanout.Options{Workers: 1})
	store.Begin()
	for _, in := range p.directory.instruments {
		if _, err := store.Define(in); err != nil {
			t.Fatal(err)
		}
	}
	for i := range s.trades {
		store.Trade(0, &s.trades[i])
	}
	store.Commit()
	engine.Start()
	defer engine.Close()
	p.env.Engine, p.env.Directory, p.env.Backfill = realEngine{engine}, store, session.NewBackfill(s)
	conn := &modelConn{model: client.NewModel(), chance: rand.New(always{}), text: e == fanout.JSON}
	conn.changed.L = &conn.mu
	x := session.New(&p.env, conn, fakeFraming(e), nil)
	symbol, from := p.directory.instruments[0].Symbol.String(), s.trades[at].Position
	conn.model.Resume(symbol, from)
	x.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
		Symbols: []string{symbol}, Channels: []string{"trade"},
		Resume: []*feedv1.Resume{{Symbol: symbol, Channel: "trade", Epoch: uint64(from.Epoch), Sequence: uint64(from.Sequence)}},
	}}}))
	last := s.trades[len(s.trades)-1].Position
	conn.mu.Lock()
	for len(conn.faults) == 0 {
		if p, ok := conn.model.TradePosition(symbol); ok && p == last {
			break
		}
		conn.changed.Wait()
	}
	conn.mu.Unlock()
	x.End()
	if len(conn.faults) > 0 {
		t.Fatal(errors.Join(conn.faults...))
	}
	return conn.events
}

// Each trade behind the position comes, or is named as missing, exactly once and in order, whatever the stream still
// has; with a whole stream nothing is missing.
func TestResumeBehindTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := rapid.SampledFrom([]fanout.Encoding{fanout.Proto, fanout.JSON}).Draw(t, "encoding")
		s := newTape(rapid.IntRange(1, 40).Draw(t, "first epoch"), rapid.IntRange(0, 40).Draw(t, "second epoch"))
		whole := false
		switch rapid.IntRange(0, 3).Draw(t, "stream") {
		case 0:
			whole = true
		case 1:
			oldest := s.trades[rapid.IntRange(0, len(s.trades)-1).Draw(t, "oldest")].Position
			s.kept = func(p market.Position) bool { return !p.Before(oldest) }
		case 2:
			holes := rapid.SliceOfN(rapid.IntRange(0, len(s.trades)-1), 0, 10).Draw(t, "holes")
			s.kept = func(p market.Position) bool {
				return !slices.ContainsFunc(holes, func(i int) bool { return s.trades[i].Position == p })
			}
		case 3:
			s.err = errors.New("no stream")
		}
		at := rapid.IntRange(0, len(s.trades)-1).Draw(t, "at")
		next := at + 1
		for _, ev := range resumeFrom(t, s, at, e) {
			switch ev.Kind {
			case client.Traded:
				want := s.trades[next]
				if ev.Trade != want {
					t.Fatalf("got %+v, want %+v", ev.Trade, want)
				}
				next++
			case client.Recovered:
				if s.err != nil || ev.From != s.trades[next].Position.Sequence || ev.Epoch != s.trades[next].Position.Epoch {
					t.Fatalf("%+v is told to be recovered ahead of %v", ev, s.trades[next].Position)
				}
			default:
				if whole {
					t.Fatalf("the stream is whole, but %+v", ev)
				}
				for q := ev.From; q <= ev.To; q++ {
					if want := s.trades[next].Position; want != (market.Position{Epoch: ev.Epoch, Sequence: q}) {
						t.Fatalf("%+v is told, next is %v", ev, want)
					}
					next++
				}
			}
		}
		if next != len(s.trades) {
			t.Fatalf("told of %d of %d trades", next, len(s.trades))
		}
	})
}

// What is fetched comes in frames of a bounded size, and only as fast as the client takes them.
func TestLongBackfillComesInFrames(t *testing.T) {
	for name, e := range map[string]fanout.Encoding{"proto": fanout.Proto, "json": fanout.JSON} {
		t.Run(name, func(t *testing.T) {
			s := newTape(20_000, 0)
			p := newPlace(exchange())
			p.engine.oldest = map[fanout.Handle]market.Position{2: {Epoch: 7, Sequence: 19_001}}
			p.env.Backfill = session.NewBackfill(s)
			x := p.open(e)
			x.Receive(encodeClient(t, e, &feedv1.ClientFrame{Id: 1, Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
				Symbols: []string{"binance:BTCUSDT"}, Channels: []string{"trade", "quote"},
				Resume: []*feedv1.Resume{{Symbol: "binance:BTCUSDT", Channel: "trade", Epoch: 7, Sequence: 1000}},
			}}}))
			trades := 0
			for _, payload := range p.conn.sent {
				if len(payload) > p.env.ServerFrame/2 {
					t.Fatalf("a frame of %d bytes", len(payload))
				}
				f := decodeServer(t, e, payload)
				if n := len(f.Trades) + len(f.TradeTexts); n > 0 && f.CutTimeUs == 0 {
					t.Fatal("rows without a cut time")
				} else {
					trades += n
				}
			}
			if trades != 18_000 || p.engine.after[2] != (market.Position{Epoch: 7, Sequence: 19_000}) {
				t.Errorf("%d trades, then the engine goes on behind %v", trades, p.engine.after[2])
			}
		})
	}
}

// blockedSource never answers.
type blockedSource struct{ asked chan struct{} }

func (s blockedSource) Trades(ctx context.Context, _ market.Symbol, _, _ market.Position, _ int) ([]market.Trade, bool, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, false, ctx.Err()
}

// A server that stops does not wait for the stream: the engine goes on from where the client was.
func TestGoAwayCutsABackfillShort(t *testing.T) {
	p := newPlace(exchange())
	source := blockedSource{make(chan struct{})}
	p.engine.oldest = map[fanout.Handle]market.Position{2: {Epoch: 7, Sequence: 50}}
	p.env.Backfill = session.NewBackfill(source)
	x := p.open(fanout.JSON)
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.Receive([]byte(`{"id":1,"subscribe":{"symbols":["binance:BTCUSDT"],"channels":["trade"],"resume":[{"symbol":"binance:BTCUSDT","channel":"trade","epoch":"7","sequence":"4"}]}}`))
	}()
	<-source.asked
	x.GoAway("restart", 0, time.Second)
	<-done
	if got := p.engine.after[2]; got != (market.Position{Epoch: 7, Sequence: 4}) {
		t.Errorf("the engine goes on behind %v", got)
	}
}
