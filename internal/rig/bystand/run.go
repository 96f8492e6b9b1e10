package bystand

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/publish"
)

// Plan is who stands by.
type Plan struct {
	NATS, WebSocket string
	Clients         int
	Cadence         time.Duration
	Instruments     int           // that all of them follow
	Pace            time.Duration // between two ticks, each of the next instrument
}

const venue = "bystand"

// Run has clients come, says "ready", and then answers each line of in with the figures since the one before, as a line of JSON. It
// returns at the end of in.
func Run(plan Plan, in io.Reader, out io.Writer) error {
	nc, err := nats.Connect(plan.NATS)
	if err != nil {
		return err
	}
	defer nc.Close()
	w, err := newWatch(plan, nc)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.come(); err != nil {
		return err
	}
	stop := w.run()
	defer stop()
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := answers.Encode(w.take()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// watch is all of them.
type watch struct {
	plan      Plan
	publisher *publish.Publisher
	listed    []*publish.Instrument
	symbols   []string
	clients   []*client.Client

	mu        sync.Mutex
	published [][]int64 // by instrument, when each of its ticks was, in microseconds since the Unix epoch
	ages      []int32   // in microseconds
	upstream  []int32
	late      []int32
	shared    int
}

func newWatch(plan Plan, nc *nats.Conn) (*watch, error) {
	p, err := publish.New(nc, publish.Options{Venue: venue})
	if err != nil {
		return nil, err
	}
	w := &watch{plan: plan, publisher: p, published: make([][]int64, plan.Instruments)}
	for i := range plan.Instruments {
		in, err := p.Define(market.Instrument{Symbol: market.Symbol{Venue: venue, Name: fmt.Sprintf("B%02d", i)}})
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		w.listed = append(w.listed, in)
		w.symbols = append(w.symbols, in.Symbol().String())
		if err := w.tick(i); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return w, nil
}

func (w *watch) close() {
	for _, c := range w.clients {
		c.Close()
	}
	_ = w.publisher.Close()
}

// tick publishes the next tick of an instrument. Its price says which one it is, counted from 0.
func (w *watch) tick(i int) error {
	now := time.Now().UnixMicro()
	w.mu.Lock()
	n := int64(len(w.published[i]))
	w.published[i] = append(w.published[i], now)
	w.mu.Unlock()
	return w.listed[i].Quote(market.Quote{Bid: n, BidSize: 1, Has: market.HasBid | market.HasExchangeTime, ExchangeTime: now})
}

// run publishes until the function that it returns is called, which waits for the end.
func (w *watch) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		pace := time.NewTicker(w.plan.Pace)
		defer pace.Stop()
		for i := 0; ; i = (i + 1) % w.plan.Instruments {
			select {
			case <-pace.C:
				_ = w.tick(i) // a tick that NATS does not take is one that comes late
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// come connects all clients and has them follow all instruments.
func (w *watch) come() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range w.plan.Clients {
		b := &bystander{watch: w, beat: newBeat(w.plan.Cadence.Microseconds()), seen: make(map[string]int64)}
		c, err := w.dial(ctx, b)
		if err != nil {
			return err
		}
		w.clients = append(w.clients, c)
		if err := c.SubscribeKnown(ctx, &feedv1.Subscribe{
			Symbols: w.symbols, Channels: []string{"quote"}, CadenceMs: proto.Uint32(uint32(w.plan.Cadence.Milliseconds())),
		}); err != nil {
			return err
		}
	}
	return nil
}

// dial connects a client, which comes again where it is refused: a node may let in only so many at a time.
func (w *watch) dial(ctx context.Context, b *bystander) (*client.Client, error) {
	for {
		c, err := client.Dial(ctx, w.plan.WebSocket, client.Options{Name: "bystander", Over: b.over, OnUpdate: b.update})
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// take returns the figures since it was called last.
func (w *watch) take() Figures {
	w.mu.Lock()
	ages, upstream, late, shared := w.ages, w.upstream, w.late, w.shared
	w.ages, w.upstream, w.late, w.shared = nil, nil, nil, 0
	w.mu.Unlock()
	f := Figures{Age: spread(ages), Upstream: spread(upstream), Lateness: spread(late), Shared: shared}
	for _, c := range w.clients {
		if c.Err() != nil {
			f.Ended++
		}
	}
	return f
}

// bystander is one client. Its fields belong to the goroutine that reads.
type bystander struct {
	watch *watch
	conn  *stamped
	beat  beat
	seen  map[string]int64 // the last tick of each symbol
	at    int64            // when the frame before had arrived
}

func (b *bystander) over(conn net.Conn) (net.Conn, error) {
	var err error
	b.conn, err = stamp(conn)
	return b.conn, err
}

// update takes what a frame changed.
func (b *bystander) update(u client.Update) {
	if len(u.Quotes) == 0 {
		return
	}
	w, at := b.watch, b.conn.at
	w.mu.Lock()
	defer w.mu.Unlock()
	if at == b.at {
		w.shared++
	}
	b.at = at
	b.beat.cut(u.Cut.UnixMicro(), at, func(us int64) { w.late = append(w.late, int32(us)) })
	for i := range u.Quotes {
		b.row(&u.Quotes[i], at)
	}
}

// row counts the age of each tick since the last row: those that were conflated away reached the client as what took their place.
func (b *bystander) row(q *client.QuoteRow, at int64) {
	last, known := b.seen[q.Symbol]
	b.seen[q.Symbol] = q.Quote.Bid
	i := slices.Index(b.watch.symbols, q.Symbol)
	if !known || i < 0 {
		return // as old as the last tick before subscribing
	}
	b.watch.upstream = append(b.watch.upstream, int32(q.Quote.IngestTime-q.Quote.ExchangeTime))
	for n := last + 1; n <= q.Quote.Bid; n++ {
		b.watch.ages = append(b.watch.ages, int32(at-b.watch.published[i][n]))
	}
}
