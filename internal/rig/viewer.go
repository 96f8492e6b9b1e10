package rig

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Follow connects a tape to a server at the WebSocket url, from where the tape stands on: it begins with the first trade. It waits
// until the server knows every symbol, for ticks take a moment from a publisher to it.
func (p *Tape) Follow(t testing.TB, url string, symbols []string, o client.Options) *client.Client {
	t.Helper()
	o.OnUpdate = p.Update
	ctx := Deadline(t)
	c, err := client.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := p.subscribe(ctx, c, symbols, 0); err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *Tape) subscribe(ctx context.Context, c *client.Client, symbols []string, cadence time.Duration) error {
	s := &feedv1.Subscribe{
		Symbols: symbols, Channels: []string{"quote", "trade", "book"}, CadenceMs: proto.Uint32(uint32(cadence.Milliseconds())), History: proto.Uint32(1000),
	}
	for symbol, at := range p.Positions() {
		s.Resume = append(s.Resume, &feedv1.Resume{Symbol: symbol, Channel: "trade", Epoch: uint64(at.Epoch), Sequence: uint64(at.Sequence)})
	}
	return c.SubscribeKnown(ctx, s)
}

// Ends waits until a client has all that was published, and holds that its tape is whole: nothing wrong, and nothing lost.
func (m *Market) Ends(c *client.Client, p *Tape) {
	m.t.Helper()
	m.EndsWith(c, p)
	if n := p.Lost(); n != 0 {
		m.t.Errorf("%d trades are told missing", n)
	}
}

// EndsWith does the same where losses are told.
func (m *Market) EndsWith(c *client.Client, p *Tape) {
	m.t.Helper()
	if err := c.Await(Deadline(m.t), m.Seen); err != nil {
		c.View(func(model *client.Model) { m.t.Error(m.missing(model)) })
		m.t.Errorf("the client never had all that was published: %v, %v", err, c.Err())
	}
	for _, w := range p.Wrong() {
		m.t.Error(w)
	}
}

// Seen reports whether a client has the last trade, quote and book of each instrument.
func (m *Market) Seen(model *client.Model) bool { return m.missing(model) == "" }

// missing names the first thing that a client does not have.
func (m *Market) missing(model *client.Model) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, symbol := range m.Symbols {
		s := m.stalls[i]
		if tr, ok := model.LastTrade(symbol); s.trades > 0 && (!ok || tr.Price != s.trades) {
			return "the last trade of " + symbol
		}
		if q, ok := model.Quote(symbol); s.quote.Has != 0 && (!ok || q.Bid != s.quote.Bid || q.BidSize != s.quote.BidSize) {
			return "the last quote of " + symbol
		}
		if k, ok := model.Book(symbol, market.View{}); !ok || !sameLevels(k.Bids(), s.bids) || !sameLevels(k.Asks(), s.asks) {
			return "the book of " + symbol
		}
	}
	return ""
}

func sameLevels(got []market.Level, want map[int64]int64) bool {
	for _, l := range got {
		if want[l.Price] != l.Size {
			return false
		}
	}
	return len(got) == len(want)
}

// ViewerOptions of View.
type ViewerOptions struct {
	// URLs of the WebSockets of nodes, which are tried one after the other.
	URLs []string
	// Cadence is how often rows are wished for; 0 for at once.
	Cadence time.Duration
	Client  client.Options
	Seed    uint64
}

// Viewer is a person with a dashboard, who comes back whenever the connection ends: when the server says, or else after a random
// time that grows.
type Viewer struct {
	*Tape
	t       testing.TB
	o       ViewerOptions
	symbols []string
	random  *rand.Rand
	ended   sync.WaitGroup
	cancel  context.CancelFunc

	mu      sync.Mutex
	current *client.Client // nil: there is no connection
	ends    []End
	away    *feedv1.GoAway
}

// End is how a connection ended, and what it cost.
type End struct {
	At   time.Time
	Err  error
	Back time.Duration // until all was subscribed again; 0: not yet
}

// Code is what the server closed the connection with; 1006 where it said nothing.
func (e *End) Code() uint16 {
	var closed *client.CloseError
	if errors.As(e.Err, &closed) {
		return closed.Code
	}
	return 1006
}

// View has a person look at symbols until the end of the test, or Close.
func View(t testing.TB, symbols []string, o ViewerOptions) *Viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	v := &Viewer{Tape: NewTape(), t: t, o: o, symbols: symbols, cancel: cancel, random: rand.New(rand.NewPCG(o.Seed, 1))}
	v.ended.Go(func() { v.run(ctx) })
	t.Cleanup(v.Close)
	v.Connected()
	return v
}

// Close ends the connection and waits for it.
func (v *Viewer) Close() {
	v.cancel()
	v.ended.Wait()
}

// Connected waits until there is a connection with everything subscribed, and returns it.
func (v *Viewer) Connected() (c *client.Client) {
	v.t.Helper()
	Eventually(v.t, "a connection", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		c = v.current
		return c != nil
	})
	return c
}

// Ends returns how connections ended so far.
func (v *Viewer) Ends() []End {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.ends)
}

func (v *Viewer) run(ctx context.Context) {
	wait := time.Duration(0)
	for node := 0; ctx.Err() == nil; node++ {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		c, err := v.connect(ctx, v.o.URLs[node%len(v.o.URLs)])
		if err != nil {
			wait = time.Duration(v.random.Int64N(int64(min(100*time.Millisecond+2*wait, 2*time.Second))))
			continue
		}
		select {
		case <-c.Done():
		case <-ctx.Done():
		}
		c.Close()
		wait = v.lost(c.Err())
	}
}

// connect connects and subscribes.
func (v *Viewer) connect(ctx context.Context, url string) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	o := v.o.Client
	o.OnUpdate = func(u client.Update) {
		if g := u.Frame.GetGoaway(); g != nil {
			v.mu.Lock()
			v.away = g
			v.mu.Unlock()
		}
		v.Update(u)
	}
	c, err := client.Dial(ctx, url, o)
	if err != nil {
		return nil, err
	}
	if err := v.subscribe(ctx, c, v.symbols, v.o.Cadence); err != nil {
		c.Close()
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current = c
	if n := len(v.ends); n > 0 {
		v.ends[n-1].Back = time.Since(v.ends[n-1].At)
	}
	return c, nil
}

// lost notes the end of a connection and returns when to come back.
func (v *Viewer) lost(err error) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current = nil
	v.ends = append(v.ends, End{At: time.Now(), Err: err})
	away := v.away
	v.away = nil
	if away != nil && away.ReconnectMaxMs > away.ReconnectMinMs {
		return time.Duration(away.ReconnectMinMs+v.random.Uint32N(away.ReconnectMaxMs-away.ReconnectMinMs)) * time.Millisecond
	}
	return time.Duration(v.random.Int64N(int64(200 * time.Millisecond)))
}
