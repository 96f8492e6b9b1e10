package e2e

import (
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

// sleeping is the watcher that stops reading for a while.
const sleeping = "sleeper"

// bookPoint is a view of a book as of a number.
type bookPoint struct {
	symbol   string
	view     market.View
	sequence market.Sequence
}

// watcher is a client at one cadence and what it was told.
type watcher struct {
	*client.Client
	name  string
	view  market.View // of books
	light bool        // it watches quotes and trades alone

	mu       sync.Mutex
	events   []client.TradeEvent
	prints   map[bookPoint]uint64
	statuses []client.StatusRow
	gaps     []client.TradeEvent // of summaries
	lostBars []client.LostBars
}

func (w *watcher) update(u client.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, u.Trades...)
	w.statuses = append(w.statuses, u.Statuses...)
	w.gaps = append(w.gaps, u.SummaryGaps...)
	w.lostBars = append(w.lostBars, u.LostBars...)
	for i, b := range u.Books {
		// A row as numbers tells its position only when it is full; a readable one always does.
		known := b.Book != nil && !b.Partial && (b.Full || len(u.Frame.BookTexts) > 0)
		if !known || slices.ContainsFunc(u.Books[i+1:], func(later client.BookRow) bool { return later.Book == b.Book }) {
			continue
		}
		if w.prints == nil {
			w.prints = map[bookPoint]uint64{}
		}
		w.prints[bookPoint{b.Symbol, b.View, b.Book.Position.Sequence}] = fingerprint(b.Book.Bids(), b.Book.Asks())
	}
}

// watchAll connects a watcher for each of cadences, each with another view of books, a light one for each other cadence, two
// that read text, and one with a small receive buffer, which is the last.
func watchAll(t *testing.T, url string, cadences []throttle.Cadence, symbols []string) (watchers []*watcher) {
	t.Helper()
	views := []market.View{{}, {Depth: 5}, {Depth: 20}, {Depth: 100}, {Depth: 20, Group: 10}, {Depth: 1}, {Depth: 50, Group: 200}}
	add := func(name string, cadence throttle.Cadence, view market.View, light bool, o client.Options) {
		w := &watcher{name: name, view: view, light: light}
		o.OnUpdate = w.update
		w.Client = dial(t, url, o)
		ask := func(s *feedv1.Subscribe) {
			s.Symbols, s.History = symbols, proto.Uint32(0)
			s.CadenceMs = proto.Uint32(uint32(cadence.Interval().Milliseconds()))
			answer, err := w.Subscribe(deadline(t), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range answer.Results {
				if r.Handle == 0 {
					t.Fatalf("%s: %v", name, r)
				}
			}
		}
		watchers = append(watchers, w)
		ask(&feedv1.Subscribe{Channels: []string{"quote", "trade"}})
		if light {
			return
		}
		ask(&feedv1.Subscribe{Channels: []string{"stats"}})
		ask(&feedv1.Subscribe{Channels: []string{"book"}, Depth: uint32(view.Depth), PriceGroup: view.Group})
		ask(&feedv1.Subscribe{Channels: []string{"trade"}, TradeSummary: true})
		for _, seconds := range barLengths {
			ask(&feedv1.Subscribe{Channels: []string{"bar"}, BarSeconds: uint32(seconds)})
		}
	}
	for c := range throttle.Cadences {
		if i := slices.Index(cadences, c); i >= 0 {
			add(c.String(), c, views[i%len(views)], false, client.Options{Deflate: i%2 == 0})
		} else {
			add(c.String(), c, market.View{}, true, client.Options{})
		}
	}
	add("text", throttle.Every100ms, market.View{Depth: 20}, false, client.Options{JSON: true, Deflate: true})
	add("grouped text", throttle.Every250ms, market.View{Depth: 5, Group: 100}, false, client.Options{JSON: true})
	// Three with the same subscriptions: two of them or more have the same worker and are sent the same bytes, also while one of
	// them lags.
	for _, name := range []string{"twin", "other twin"} {
		add(name, throttle.Every50ms, market.View{}, false, client.Options{})
	}
	add(sleeping, throttle.Every50ms, market.View{}, false, client.Options{ReceiveBuffer: 4096})
	return watchers
}
