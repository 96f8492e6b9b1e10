package e2e

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// bazaar is a publisher of a few instruments whose trades count up: the price of each is its number.
type bazaar struct {
	t       *testing.T
	nc      *nats.Conn
	pub     *publish.Publisher
	random  *rand.Rand
	symbols []string

	// mu guards what was published.
	mu     sync.Mutex
	stalls []*stall
	steps  int
	more   chan struct{} // closed and replaced after each step
}

// stall is one instrument and how it stands.
type stall struct {
	in         *publish.Instrument
	trades     int64
	quote      market.Quote
	bids, asks map[int64]int64
}

// openBazaar connects and defines the instruments, whose trades count on from those given.
func openBazaar(t *testing.T, url string, seed uint64, trades []int64) *bazaar {
	t.Helper()
	b := &bazaar{t: t, random: rand.New(rand.NewPCG(seed, 0)), more: make(chan struct{})}
	var err error
	if b.nc, err = nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.nc.Close)
	if b.pub, err = publish.New(b.nc, publish.Options{Venue: "crash", HeartbeatInterval: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.pub.Close() })
	for i, name := range []string{"A", "B", "C"} {
		in, err := b.pub.Define(market.Instrument{Symbol: market.Symbol{Venue: "crash", Name: name}, PriceScale: 2})
		if err != nil {
			t.Fatal(err)
		}
		s := &stall{in: in, trades: trades[i]}
		b.symbols = append(b.symbols, "crash:"+name)
		b.stalls = append(b.stalls, s)
		b.book(s, true)
	}
	return b
}

// book publishes an image, or a change of some levels.
func (b *bazaar) book(s *stall, image bool) {
	e := publish.Book{Snapshot: image}
	if image {
		s.bids, s.asks = map[int64]int64{}, map[int64]int64{}
	}
	for range 4 {
		for _, side := range []struct {
			held   map[int64]int64
			levels *[]market.Level
			price  int64
		}{{s.bids, &e.Bids, 1000 - b.random.Int64N(30)}, {s.asks, &e.Asks, 1001 + b.random.Int64N(30)}} {
			l := market.Level{Price: side.price, Size: b.random.Int64N(4)}
			*side.levels = append(*side.levels, l)
			side.held[l.Price] = l.Size
			if l.Size == 0 {
				delete(side.held, l.Price)
			}
		}
	}
	b.must(s.in.Book(e))
}

func (b *bazaar) must(err error) {
	if err != nil {
		b.t.Error(err)
	}
}

// step publishes a little of everything for one instrument.
func (b *bazaar) step() {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stalls[b.random.IntN(len(b.stalls))]
	for range 1 + b.random.IntN(3) {
		s.trades++
		b.must(s.in.Trade(market.Trade{Price: s.trades, Size: 1, ID: uint64(s.trades)}))
	}
	s.quote = market.Quote{Bid: s.trades, BidSize: b.random.Int64N(9), Ask: s.trades + 1, AskSize: 1, Has: market.HasBid | market.HasAsk}
	b.must(s.in.Quote(s.quote))
	b.book(s, b.random.IntN(100) == 0)
	b.must(b.pub.Flush())
	b.steps++
	close(b.more)
	b.more = make(chan struct{})
}

// open publishes until the function that it returns is called, which waits for the end.
func (b *bazaar) open() (closeIt func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-pace.C:
				b.step()
			case <-stop:
				return
			}
		}
	})
	end := sync.OnceFunc(func() { stop <- struct{}{}; wg.Wait() })
	b.t.Cleanup(end)
	return end
}

// await waits until n more steps were made.
func (b *bazaar) await(n int) {
	b.t.Helper()
	timeout := time.After(within)
	for until := -1; ; {
		b.mu.Lock()
		steps, more := b.steps, b.more
		b.mu.Unlock()
		if until < 0 {
			until = steps + n
		}
		if steps >= until {
			return
		}
		select {
		case <-more:
		case <-timeout:
			b.t.Fatalf("%d steps of %d", steps, until)
		}
	}
}

// tape is what a person with a client was told of trades, over all connections.
type tape struct {
	mu     sync.Mutex
	trades map[string]int64 // the number of the last one
	at     map[string]market.Position
	wrong  []string
}

func (p *tape) update(u client.Update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range u.Trades {
		switch {
		case e.Kind == client.Recovered:
		case e.Kind != client.Traded:
			p.wrong = append(p.wrong, fmt.Sprintf("%+v behind trade %d", e, p.trades[e.Symbol]))
		case e.Trade.Position == p.at[e.Symbol]: // a resume may begin with what is held
		case e.Trade.Price != p.trades[e.Symbol]+1:
			p.wrong = append(p.wrong, fmt.Sprintf("%s: trade %d behind %d", e.Symbol, e.Trade.Price, p.trades[e.Symbol]))
			fallthrough
		default:
			p.trades[e.Symbol], p.at[e.Symbol] = e.Trade.Price, e.Trade.Position
		}
	}
}

// follow connects the tape to a server, from where it stands on; it begins with the first trade.
func (p *tape) follow(t *testing.T, server *process, symbols []string) *client.Client {
	t.Helper()
	c := dial(t, server.websocket(), client.Options{OnUpdate: p.update})
	s := &feedv1.Subscribe{Symbols: symbols, Channels: []string{"quote", "trade", "book"}, CadenceMs: proto.Uint32(0), History: proto.Uint32(1000)}
	p.mu.Lock()
	for symbol, at := range p.at {
		s.Resume = append(s.Resume, &feedv1.Resume{Symbol: symbol, Channel: "trade", Epoch: uint64(at.Epoch), Sequence: uint64(at.Sequence)})
	}
	p.mu.Unlock()
	for ctx := deadline(t); ; {
		reply, err := c.Subscribe(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(reply.Results, func(r *feedv1.SubscribeResult) bool { return r.Handle == 0 }) {
			return c
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("never known: %v", reply.Results)
		}
	}
}

// ends waits until a client has all that was published, and holds that the tape is whole.
func (b *bazaar) ends(c *client.Client, p *tape) {
	b.t.Helper()
	for i, symbol := range b.symbols {
		s := b.stalls[i]
		await(b.t, "the last trade of "+symbol, c, func(m *client.Model) bool {
			tr, ok := m.LastTrade(symbol)
			return ok && tr.Price == s.trades
		})
		await(b.t, "the last quote of "+symbol, c, func(m *client.Model) bool {
			q, ok := m.Quote(symbol)
			return ok && q.Bid == s.quote.Bid && q.BidSize == s.quote.BidSize
		})
		await(b.t, "the book of "+symbol, c, func(m *client.Model) bool {
			k, ok := m.Book(symbol, market.View{})
			return ok && sameLevels(k.Bids(), s.bids) && sameLevels(k.Asks(), s.asks)
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.wrong {
		b.t.Error(w)
	}
}

func sameLevels(got []market.Level, want map[int64]int64) bool {
	for _, l := range got {
		if want[l.Price] != l.Size {
			return false
		}
	}
	return len(got) == len(want)
}

func newTape() *tape { return &tape{trades: map[string]int64{}, at: map[string]market.Position{}} }

// startNATS starts a NATS that outlives feedd, and records the ticks.
func startNATS(t *testing.T) string {
	t.Helper()
	ns, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ns.Stop)
	nc, err := nats.Connect(ns.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := ingest.EnsureStream(t.Context(), nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return ns.URL()
}

// feedd is killed again and again, at any moment: while it serves, writes a checkpoint, or reads the stream at its start. Whoever
// comes back after each time has every trade once, and in the end the last quotes and books.
func TestKilledAgainAndAgain(t *testing.T) {
	url, random := startNATS(t), rand.New(rand.NewPCG(3, 5))
	args := []string{"--sim", "off", "--nats-url", url, "--data-dir", t.TempDir(), "--checkpoint-every", "20ms"}
	server := serve(t, args...)
	b, p := openBazaar(t, url, 1, []int64{0, 0, 0}), newTape()
	c := p.follow(t, server, b.symbols)
	closeBazaar := b.open()
	for range 4 {
		b.await(50 + random.IntN(300))
		server.kill()
		<-c.Done()
		for range random.IntN(3) {
			starting := command(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
			b.await(1 + random.IntN(150))
			starting.kill()
		}
		server = serve(t, args...)
		c = p.follow(t, server, b.symbols)
	}
	b.await(50)
	closeBazaar()
	b.ends(c, p)
	for _, reason := range []string{"bad_checkpoint", "unsaved_state"} {
		if n := server.metric(`feedd_dropped_total{reason="` + reason + `"}`); n != "0" {
			t.Errorf("%s counted %s times", reason, n)
		}
	}
}

// The NATS inside dies with feedd, and what it had not written with it. What was there at the last checkpoint is there again, and
// the publishers' new numbers go on from it.
func TestKilledWithTheNATSInside(t *testing.T) {
	args := []string{"--sim", "off", "--data-dir", t.TempDir(), "--checkpoint-every", "20ms"}
	p, trades := newTape(), []int64{0, 0, 0}
	for life := range uint64(3) {
		server := serve(t, args...)
		b := openBazaar(t, server.line("nats"), life, trades)
		c := p.follow(t, server, b.symbols)
		closeBazaar := b.open()
		b.await(150)
		closeBazaar()
		b.ends(c, p)
		awaitCheckpoint(t, server)
		server.kill()
		<-c.Done()
		for i, s := range b.stalls {
			trades[i] = s.trades
		}
	}
}

// awaitCheckpoint waits for a checkpoint of what is there now.
func awaitCheckpoint(t *testing.T, server *process) {
	t.Helper()
	since, ctx := time.Now(), deadline(t)
	for {
		at, err := strconv.ParseFloat(server.metric("feedd_checkpoint_timestamp_seconds"), 64)
		if err != nil {
			t.Fatal(err)
		}
		if at > float64(since.UnixMicro())/1e6 {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("no checkpoint")
		}
	}
}

// Without its checkpoint, or with one that is damaged, feedd starts from the stream, and all is there.
func TestCheckpointIsLost(t *testing.T) {
	url := startNATS(t)
	dir := t.TempDir()
	args := []string{"--sim", "off", "--nats-url", url, "--data-dir", dir}
	server := serve(t, args...)
	b := openBazaar(t, url, 7, []int64{0, 0, 0})
	for range 150 {
		b.step()
	}
	b.ends(newTape().follow(t, server, b.symbols), newTape())
	server.interrupt()
	name := filepath.Join(dir, "checkpoint", "checkpoint")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("feedd has stopped without a checkpoint: %v", err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)*2/3] ^= 0x10
	for _, c := range []struct {
		name string
		left []byte
		bad  string
	}{{"whole", whole, "0"}, {"gone", nil, "0"}, {"cut", whole[:len(whole)/2], "1"}, {"a bit turned", flipped, "1"}} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Dir(name)); err != nil {
				t.Fatal(err)
			}
			if c.left != nil {
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, c.left, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b.step() // while nobody listens
			server := serve(t, args...)
			p := newTape()
			b.ends(p.follow(t, server, b.symbols), p)
			if n := server.metric(`feedd_dropped_total{reason="bad_checkpoint"}`); n != c.bad {
				t.Errorf("%s bad checkpoints, want %s", n, c.bad)
			}
			server.interrupt()
		})
	}
}
