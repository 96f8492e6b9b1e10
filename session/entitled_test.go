package session_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/client/quoterow"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/snapshot"
)

// right is a rule as the warden reads it: by itself, without the code that is judged.
type right struct {
	venue    string // "" for all
	channels []market.Channel
	depth    uint8 // 0: all
	delayed  bool
}

func (r right) text() string {
	words := []string{"*"}
	if r.venue != "" {
		words[0] = r.venue + ":*"
	}
	if r.channels != nil {
		var names []string
		for _, ch := range r.channels {
			names = append(names, ch.String())
		}
		words = append(words, strings.Join(names, ","))
	}
	if r.depth != 0 {
		words = append(words, fmt.Sprintf("depth=%d", r.depth))
	}
	if r.delayed {
		words = append(words, "delayed")
	}
	return strings.Join(words, " ")
}

// gives judges one row.
func (r right) gives(sym market.Symbol, ch market.Channel, v market.View, delayed bool) bool {
	if r.venue != "" && r.venue != sym.Venue || r.delayed && !delayed {
		return false
	}
	switch {
	case ch == market.ChannelStatus:
		return true
	case r.channels != nil && !slices.Contains(r.channels, ch):
		return false
	case ch == market.ChannelBook && r.depth != 0:
		return v.Group == 0 && v.Depth != 0 && v.Depth <= r.depth
	}
	return true
}

func drawRights(t *rapid.T) []right {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) right {
		return right{
			venue: rapid.SampledFrom([]string{"", "binance", "nyse", "test", "many"}).Draw(t, "venue"),
			channels: rapid.SampledFrom([][]market.Channel{
				nil, {market.ChannelQuote}, {market.ChannelTrade, market.ChannelBook}, {market.ChannelBar, market.ChannelStats}, {market.ChannelBook},
			}).Draw(t, "channels"),
			depth:   rapid.SampledFrom([]uint8{0, 1, 5, 10}).Draw(t, "depth"),
			delayed: rapid.Bool().Draw(t, "delayed"),
		}
	}), 0, 3).Draw(t, "rights")
}

// warden is a connection that looks at each row and knows whether its client may see it.
type warden struct {
	store    *snapshot.Store
	late     *snapshot.Store // of the delayed feed
	encoding fanout.Encoding

	mu             sync.Mutex
	may            [][]right // a row must be allowed by one of these: two while they change
	rows, lateRows int
	closed         bool
	faults         []string
}

func (w *warden) set(may ...[]right) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.may = may
}

func (w *warden) allows(sym market.Symbol, ch market.Channel, v market.View, delayed bool) bool {
	return slices.ContainsFunc(w.may, func(rights []right) bool {
		return slices.ContainsFunc(rights, func(r right) bool { return r.gives(sym, ch, v, delayed) })
	})
}

func (w *warden) Send(payload []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.look(payload)
	}
	return !w.closed
}

func (w *warden) SendControl(payload []byte) bool { return w.Send(payload) }
func (w *warden) Drained() bool                   { return true }
func (w *warden) Ready() bool                     { return true }
func (w *warden) Admitted()                       {}
func (w *warden) Remote() string                  { return "" }
func (w *warden) Transport() string               { return "" }

func (w *warden) Close(session.CloseCode, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// look judges every row of a frame, and what it says of instruments. mu is held, or nobody else knows of w.
func (w *warden) look(payload []byte) {
	f := decodeServer(fatal{}, w.encoding, payload)
	judge := func(what string, sym market.Symbol, ch market.Channel, v market.View, delayed bool) {
		w.rows++
		if delayed {
			w.lateRows++
		}
		if !w.allows(sym, ch, v, delayed) {
			w.faults = append(w.faults, fmt.Sprintf("%s of %v %v %+v, delayed %v, with %v", what, sym, ch, v, delayed, w.may))
		}
	}
	handle := func(what string, h uint32) {
		store, delayed := w.store, h > lateHandles
		if delayed {
			store = w.late
		}
		if delayed != (f.DelayMs != 0) {
			w.faults = append(w.faults, fmt.Sprintf("%s of handle %d in a frame that says a delay of %d ms", what, h, f.DelayMs))
		}
		topic := store.Topic(fanout.Handle(h))
		judge(what, store.Instrument(topic.Key.Instrument()).Symbol, topic.Key.Channel(), topic.View, delayed)
	}
	symbol := func(what, text string, ch market.Channel, v market.View, delayed bool) {
		sym, err := market.ParseSymbol(text)
		if err != nil {
			panic(err)
		}
		judge(what, sym, ch, v, delayed)
	}
	late := f.DelayMs != 0
	rows, err := quoterow.Read(f.Quotes)
	if err != nil {
		panic(err)
	}
	for _, r := range rows {
		handle("quote", r.Handle)
	}
	for _, r := range f.Trades {
		handle("trade", r.Handle)
	}
	for _, r := range f.TradeSummaries {
		handle("summary", r.Handle)
	}
	for _, r := range f.Books {
		handle("book", r.Handle)
	}
	for _, r := range f.Bars {
		handle("bar", r.Handle)
	}
	for _, r := range f.Stats {
		handle("stats", r.Handle)
	}
	for _, r := range f.Statuses {
		handle("status", r.Handle)
	}
	for _, r := range f.QuoteTexts {
		symbol("quote", r.Symbol, market.ChannelQuote, market.View{}, late)
	}
	for _, r := range f.TradeTexts {
		symbol("trade", r.Symbol, market.ChannelTrade, market.View{}, late)
	}
	for _, r := range f.BookTexts {
		v := market.View{Depth: uint8(r.Depth)}
		if r.PriceGroup != "" {
			v.Group = 1
		}
		symbol("book", r.Symbol, market.ChannelBook, v, late)
	}
	for _, r := range f.BarTexts {
		symbol("bar", r.Symbol, market.ChannelBar, market.View{}, late)
	}
	for _, r := range f.StatsTexts {
		symbol("stats", r.Symbol, market.ChannelStats, market.View{}, late)
	}
	for _, in := range append(f.Instruments, f.GetSubscribed().GetInstruments()...) {
		symbol("description", in.Symbol, market.ChannelStatus, market.View{}, in.DelayMs != 0)
	}
	for _, r := range f.GetSubscribed().GetResults() {
		if r.By != "" {
			symbol("match", r.Symbol, market.ChannelStatus, market.View{}, true)
		}
	}
}

type fatal struct{}

func (fatal) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (fatal) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (fatal) Helper()                           {}

// Whatever a client asks, and however its rights change and end meanwhile, no frame holds a row that it may not see;
// nor does a snapshot. The engine and the market are real.
func TestNoRowThatItsSessionMayNotSee(t *testing.T) {
	total, late := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rows, delayed := guardedSession(t)
		total, late = total+rows, late+delayed
	})
	if total == 0 || late == 0 {
		t.Errorf("%d rows were judged, %d of them delayed", total, late)
	}
	t.Logf("%d rows and descriptions were judged, %d of them delayed", total, late)
}

// lateHandles is ahead of the handles of the delayed feed.
const lateHandles = 1 << 21

func guardedSession(t *rapid.T) (judged, delayed int) {
	p := newPlace(exchange())
	store := snapshot.NewStore(snapshot.Options{})
	engine := fanout.New(store, fanout.Options{Workers: 2})
	late := snapshot.NewStore(snapshot.Options{FirstHandle: lateHandles})
	lateEngine := fanout.New(late, fanout.Options{Workers: 2, Delay: 15 * time.Minute})
	all := append(exchange(), crowd(4)...)
	known, lateKnown := 0, 0
	define := func(s *snapshot.Store, n *int) {
		s.Begin()
		defer s.Commit()
		// The delayed feed knows them in another order, so that its ids are others.
		in := all[*n]
		if s == late && *n < len(exchange()) {
			in = all[len(exchange())-1-*n]
		}
		if _, err := s.Define(in); err != nil {
			t.Fatal(err)
		}
		*n++
	}
	for known < len(exchange()) {
		define(store, &known)
	}
	for lateKnown < len(exchange())-1 {
		define(late, &lateKnown)
	}
	engine.Start()
	defer engine.Close()
	lateEngine.Start()
	defer lateEngine.Close()
	p.env.Delayed = []session.Feed{{Delay: 15 * time.Minute, Engine: realEngine{lateEngine}, Directory: late, FirstHandle: lateHandles}}
	encoding := rapid.SampledFrom([]fanout.Encoding{fanout.Proto, fanout.JSON}).Draw(t, "encoding")
	p.env.Engine, p.env.Directory, p.env.Access, p.env.Users = realEngine{engine}, store, p.access, session.NewUsers()
	p.access.tokens = make(map[string]*entitlement.Identity)
	token := func(rights []right, expires int64) string {
		var texts []string
		for _, r := range rights {
			texts = append(texts, r.text())
		}
		may, err := entitlement.Parse(texts)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("t", len(p.access.tokens))
		p.access.tokens[name] = &entitlement.Identity{User: "ada", Token: name, Expires: expires, May: may}
		return name
	}

	w := &warden{store: store, late: late, encoding: encoding}
	s := session.New(&p.env, w, fakeFraming(encoding), nil)
	defer s.End()
	rights, expires := drawRights(t), p.now+int64(rapid.IntRange(60, 600).Draw(t, "lasts"))*1e6
	w.set(rights)
	say := func(f *feedv1.ClientFrame) { s.Receive(encodeClient(fatal{}, encoding, f)) }
	say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Hello{Hello: &feedv1.Hello{Token: token(rights, expires)}}})

	m, lateMarket := &realMarket{store: store}, &realMarket{store: late}
	draw := func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) }
	for range rapid.IntRange(5, 30).Draw(t, "steps") {
		switch draw("step", 8) {
		case 0, 1, 2:
			say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: drawSubscribe(t)}})
		case 3:
			cadence := rapid.SampledFrom([]uint32{0, 20}).Draw(t, "cadence")
			say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_SetRate{SetRate: &feedv1.SetRate{CadenceMs: &cadence}}})
		case 4:
			before := rights
			rights, expires = drawRights(t), p.now+int64(rapid.IntRange(1, 600).Draw(t, "lasts"))*1e6
			w.set(before, rights)
			say(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{RefreshToken: &feedv1.RefreshToken{Token: token(rights, expires)}}})
			w.set(rights)
		case 5:
			p.now += int64(draw("seconds", 200)) * 1e6
			s.Tick(p.now)
			if p.now >= expires {
				w.set() // nothing at all, from now on
			}
		case 6:
			if known < len(all) {
				define(store, &known)
			}
			if lateKnown < known-1 {
				define(late, &lateKnown)
			}
		case 7:
			ask := drawSubscribe(t)
			once := &warden{store: store, late: late, encoding: encoding, may: [][]right{rights}}
			who := p.access.tokens[fmt.Sprint("t", len(p.access.tokens)-1)]
			if payload, err := p.env.Snapshot(who, ask, encoding, 1<<20); err == nil {
				once.look(payload)
			}
			judged, delayed = judged+once.rows, delayed+once.lateRows
			w.faults = append(w.faults, once.faults...)
		}
		s.Refresh()
		m.move(known, p.now)
		lateMarket.move(lateKnown, p.now)
	}
	s.End()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		t.Errorf("%s", fault)
	}
	return judged + w.rows, delayed + w.lateRows
}

func drawSubscribe(t *rapid.T) *feedv1.Subscribe {
	ask := proto.Clone(rapid.SampledFrom(realViews).Draw(t, "view")).(*feedv1.Subscribe)
	ask.Symbols = rapid.SliceOfN(rapid.SampledFrom([]string{"*", "binance:*", "many:*", "*:*A*", "@majors", "test:FAKE", "nyse:BRK.B", "binance:BTCUSDT", "binance:BTCUSDX"}), 1, 3).Draw(t, "symbols")
	ask.Timeliness = feedv1.Timeliness(rapid.IntRange(0, 2).Draw(t, "timeliness"))
	ask.CadenceMs = proto.Uint32(rapid.SampledFrom([]uint32{0, 20}).Draw(t, "cadence"))
	return ask
}
