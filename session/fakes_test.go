package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/auth"
	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/internal/lists"
	"github.com/feedd/feedd/internal/wire"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/session"
	"github.com/feedd/feedd/throttle"
)

var (
	_ session.Engine     = (*fakeEngine)(nil)
	_ session.Subscriber = (*fakeEngine)(nil)
	_ session.Directory  = (*fakeDirectory)(nil)
	_ session.Lists      = (*fakeLists)(nil)
	_ session.Lists      = (*lists.File)(nil)
	_ session.Conn       = (*fakeConn)(nil)
	_ session.Access     = (*fakeAccess)(nil)
	_ session.Access     = (*auth.Verifier)(nil)
)

// place is what everything around a session is in a test.
type place struct {
	now       int64
	env       session.Env
	directory *fakeDirectory
	lists     *fakeLists
	engine    *fakeEngine
	conn      *fakeConn
	access    *fakeAccess // env has it once it knows a token
}

func newPlace(instruments []market.Instrument) *place {
	p := &place{now: 1_700_000_000_000_000, directory: &fakeDirectory{instruments: instruments}, conn: &fakeConn{}, access: &fakeAccess{}}
	p.lists = &fakeLists{entries: map[string][]string{"majors": {"binance:BTCUSDT", "binance:ETH*", "test:LATER"}}}
	p.engine = newFakeEngine(p.directory)
	p.env = session.Env{
		Engine: p.engine, Directory: p.directory, Lists: p.lists, Policy: throttle.NewInForce(throttle.Default()), Server: "feedd 1.0",
		ClientFrame: 16 << 10, ServerFrame: 64 << 10, Heartbeat: 5 * time.Second,
		Clock: func() int64 { return p.now }, NewID: func() string { return "S1" },
		Counters: new(drop.Counters), Log: slog.New(slog.DiscardHandler),
	}
	return p
}

// tier is that of every session. Change it ahead of the first one.
func (p *place) tier() *throttle.Tier { return p.env.Policy.Policy().Tier("") }

func (p *place) open(e fanout.Encoding) *session.Session {
	return session.New(&p.env, p.conn, fakeFraming(e), nil)
}

type fakeFraming fanout.Encoding

func (f fakeFraming) Encoding() fanout.Encoding { return fanout.Encoding(f) }
func (f fakeFraming) AppendFrame(dst, payload []byte, _ fanout.Use, _ int) []byte {
	return append(dst, payload...)
}

// fakeEngine notes what it is told and keeps the set of what would be sent. Handles can be read:
// instrument 3's quote is 31, its trade 32, its status 33; the source of instrument 3's venue is 903.
type fakeEngine struct {
	directory *fakeDirectory
	log       func(format string, args ...any) // nil: nobody listens
	active    map[fanout.Handle]throttle.Cadence
	views     []market.View // in the order of the handles that were given out
	full      bool          // no handles of further views
	sources   map[string]fanout.Handle
	oldest    map[fanout.Handle]market.Position // trade in the log
	after     map[fanout.Handle]market.Position // which it was to go on behind
	detached  int
	load      fanout.Load
	fault     string        // a call that must not be
	base      fanout.Handle // added to all handles
}

func newFakeEngine(d *fakeDirectory) *fakeEngine {
	return &fakeEngine{directory: d, active: map[fanout.Handle]throttle.Cadence{}, sources: map[string]fanout.Handle{}, after: map[fanout.Handle]market.Position{}}
}

func (e *fakeEngine) note(format string, args ...any) {
	if e.log != nil {
		e.log(format, args...)
	}
}

func handleOf(id market.InstrumentID, ch market.Channel) fanout.Handle {
	return fanout.Handle(id)*10 + fanout.Handle(ch)
}

// Handle adds a million for each further view, in the order in which they are asked for.
func (e *fakeEngine) Handle(id market.InstrumentID, ch market.Channel, v market.View) fanout.Handle {
	if v == (market.View{}) {
		return e.base + handleOf(id, ch)
	}
	i := slices.Index(e.views, v)
	if i < 0 && e.full {
		return 0
	}
	if i < 0 {
		i = len(e.views)
		e.views = append(e.views, v)
	}
	return e.base + fanout.Handle(i+1)*1_000_000 + handleOf(id, ch)
}

func (e *fakeEngine) View(h fanout.Handle) market.View {
	if n := int((h - e.base) / 1_000_000); n > 0 {
		return e.views[n-1]
	}
	return market.View{}
}

func (e *fakeEngine) SourceHandle(source string) fanout.Handle {
	if h, ok := e.sources[source]; ok {
		return h
	}
	i := slices.IndexFunc(e.directory.instruments, func(in market.Instrument) bool { return in.Source == source })
	if i < 0 {
		return 0
	}
	h := e.base + 90_000_000 + fanout.Handle(i)
	for slices.Contains(slices.Collect(maps.Values(e.sources)), h) {
		h += 1000
	}
	e.sources[source] = h
	return h
}

func (e *fakeEngine) TradesFrom(h fanout.Handle) (market.Position, bool) {
	oldest, ok := e.oldest[h]
	return oldest, ok
}

// Snapshot tells in the cut time how many items were asked for.
func (e *fakeEngine) Snapshot(items []fanout.Item, encoding fanout.Encoding, limit int) ([]byte, error) {
	if len(items) > limit {
		return nil, &fanout.TooLargeError{Limit: limit}
	}
	h := wire.Header{CutTime: int64(len(items))}
	if encoding == fanout.JSON {
		return new(wire.TextFrame).Append(nil, h), nil
	}
	return wire.AppendHeader(nil, h), nil
}

func (e *fakeEngine) Attach(fanout.Conn, fanout.Framing) session.Subscriber { return e }

func (e *fakeEngine) Subscribe(items []fanout.Item, c throttle.Cadence) {
	var words []string
	for _, it := range items {
		word := fmt.Sprint(it.Handle)
		switch {
		case it.After != (market.Position{}):
			e.after[it.Handle] = it.After
			word += fmt.Sprintf(" (after %d/%d)", it.After.Epoch, it.After.Sequence)
		case it.History > 0 && it.Handle%10 == fanout.Handle(market.ChannelTrade), it.History > 0 && it.Handle%10 == fanout.Handle(market.ChannelBar):
			word += fmt.Sprintf(" (history %d)", it.History)
		}
		words = append(words, word)
		if e.active[it.Handle] == c {
			if _, held := e.active[it.Handle]; held && c != throttle.Paused {
				e.fault = fmt.Sprintf("handle %d is subscribed at %v already", it.Handle, c)
			}
		}
		e.active[it.Handle] = c
	}
	e.note("subscribe at %v: %s", c, strings.Join(words, ", "))
}

func (e *fakeEngine) Unsubscribe(handles []fanout.Handle) {
	for _, h := range handles {
		if _, held := e.active[h]; !held {
			e.fault = fmt.Sprintf("handle %d is unsubscribed, but was not subscribed", h)
		}
		delete(e.active, h)
	}
	e.note("unsubscribe: %s", strings.Trim(strings.ReplaceAll(fmt.Sprint(handles), " ", ", "), "[]"))
}

func (e *fakeEngine) Limit(n int) { e.note("limit to %d bytes/s", n) }

func (e *fakeEngine) Load() fanout.Load { return e.load }

func (e *fakeEngine) Wake() { e.note("wake") }

func (e *fakeEngine) Detach() fanout.Tally {
	e.detached++
	e.note("detach")
	return fanout.Tally{Conflated: 7, Lost: 2, Missed: 1}
}

// fakeDirectory holds instruments in the order in which they were defined.
type fakeDirectory struct {
	instruments []market.Instrument
	changes     []market.InstrumentID // by revision
	forgotten   int                   // changes that are no longer known
}

func (d *fakeDirectory) Lookup(sym market.Symbol) (market.InstrumentID, bool) {
	i := slices.IndexFunc(d.instruments, func(in market.Instrument) bool { return in.Symbol == sym })
	return market.InstrumentID(max(i, 0)), i >= 0
}

func (d *fakeDirectory) Instrument(id market.InstrumentID) market.Instrument {
	return d.instruments[id]
}

func (d *fakeDirectory) Match(pattern string, limit int) (ids []market.InstrumentID) {
	for i, in := range d.instruments {
		if ok, _ := path.Match(pattern, in.Symbol.String()); ok && !in.Delisted {
			ids = append(ids, market.InstrumentID(i))
		}
	}
	slices.SortFunc(ids, func(a, b market.InstrumentID) int {
		return strings.Compare(d.instruments[a].Symbol.String(), d.instruments[b].Symbol.String())
	})
	return ids[:min(limit, len(ids))]
}

func (d *fakeDirectory) Revision() uint64 { return uint64(len(d.changes)) }

func (d *fakeDirectory) DefinedSince(revision uint64) (ids []market.InstrumentID, now uint64) {
	if int(revision) >= d.forgotten {
		return slices.Clone(d.changes[revision:]), d.Revision()
	}
	for i := range d.instruments {
		ids = append(ids, market.InstrumentID(i))
	}
	return ids, d.Revision()
}

func (d *fakeDirectory) define(in market.Instrument) {
	id, known := d.Lookup(in.Symbol)
	if known {
		d.instruments[id] = in
	} else {
		id = market.InstrumentID(len(d.instruments))
		d.instruments = append(d.instruments, in)
	}
	d.changes = append(d.changes, id)
}

// fakeLists holds lists by name.
type fakeLists struct {
	entries  map[string][]string
	revision uint64
}

func (l *fakeLists) Entries(name string) ([]string, bool) {
	entries, ok := l.entries[name]
	return entries, ok
}

func (l *fakeLists) Has(name, symbol string) bool {
	return slices.ContainsFunc(l.entries[name], func(entry string) bool { return market.Fits(entry, symbol) })
}

func (l *fakeLists) Names() []string { return slices.Sorted(maps.Keys(l.entries)) }

func (l *fakeLists) Revision() uint64 { return l.revision }

func (l *fakeLists) set(name string, entries []string) {
	l.entries[name] = entries
	l.revision++
}

// fakeAccess knows tokens by name.
type fakeAccess struct {
	tokens    map[string]*entitlement.Identity
	anonymous *entitlement.Identity
	revoked   string // a user
	away      bool
}

func (a *fakeAccess) Authenticate(token string) (*entitlement.Identity, error) {
	who := a.tokens[token]
	switch {
	case a.away:
		return nil, entitlement.ErrUnavailable
	case who == nil:
		return nil, errors.New("the token is none")
	case a.Revoked(who):
		return nil, entitlement.ErrRevoked
	}
	return who, nil
}

func (a *fakeAccess) Anonymous() *entitlement.Identity { return a.anonymous }

func (a *fakeAccess) Revoked(who *entitlement.Identity) bool {
	return who.User != "" && who.User == a.revoked
}

// fakeConn takes everything until it is told not to.
type fakeConn struct {
	sent     [][]byte
	log      func(payload []byte)
	full     bool
	busy     int // so many looks from now it is ready again
	quota    int // it is not ready once it has sent so many frames in all; 0: no end
	closed   []session.CloseCode
	admitted bool
	reason   string
}

func (c *fakeConn) Remote() string    { return "192.0.2.1:1234" }
func (c *fakeConn) Transport() string { return "fake" }
func (c *fakeConn) Send([]byte) bool  { return true }
func (c *fakeConn) Drained() bool     { return len(c.closed) == 0 }

func (c *fakeConn) Ready() bool {
	c.busy = max(0, c.busy-1)
	return c.busy == 0 && (c.quota == 0 || len(c.sent) < c.quota)
}

func (c *fakeConn) SendControl(payload []byte) bool {
	if c.full {
		return false
	}
	payload = bytes.Clone(payload) // it may be reused at once
	c.sent = append(c.sent, payload)
	if c.log != nil {
		c.log(payload)
	}
	return true
}

func (c *fakeConn) Admitted() { c.admitted = true }

func (c *fakeConn) Close(code session.CloseCode, reason string) {
	c.closed, c.reason = append(c.closed, code), reason
}

// exchange is the directory of the transcripts.
func exchange() []market.Instrument {
	in := func(venue, name, source, description string, priceScale, sizeScale uint8) market.Instrument {
		return market.Instrument{
			Symbol: market.Symbol{Venue: venue, Name: name}, Source: source, Description: description,
			PriceScale: priceScale, SizeScale: sizeScale, PriceStep: 1, SizeStep: 1,
		}
	}
	return []market.Instrument{
		in("binance", "BTCUSDT", "binance", "Bitcoin", 2, 5),
		in("binance", "ETHBTC", "binance", "", 5, 4),
		in("binance", "ETHUSDT", "binance", "Ether", 2, 4),
		in("binance", "SOLUSDT", "binance", "", 2, 3),
		in("nyse", "BRK.B", "nyse/equities", "Berkshire Hathaway B", 2, 0),
		in("test", "FAKE", "test", "", 2, 0),
	}
}

func crowd(n int) []market.Instrument {
	all := make([]market.Instrument, n)
	for i := range all {
		all[i] = market.Instrument{Symbol: market.Symbol{Venue: "many", Name: fmt.Sprintf("I%06d", i)}, Source: "many", PriceScale: 2}
	}
	return all
}
