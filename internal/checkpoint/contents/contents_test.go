package contents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/checkpoint"
	"github.com/feedd/feedd/internal/checkpoint/section"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/snapshot"
)

// node is what is saved and loaded in these tests.
type node struct {
	t     testing.TB
	dir   string
	store *snapshot.Store
	past  []ingest.Past
	place Place
	drops drop.Counters
	log   bytes.Buffer
}

func emptyNode(t testing.TB) *node {
	return &node{t: t, dir: t.TempDir(), store: snapshot.NewStore(snapshot.Options{}), place: Place{
		Time: 1_700_000_000_000_000, Origin: Origin{Cluster: "east", Stream: "FEEDD", Created: 1_600_000_000_000_000},
	}}
}

func newNode(t testing.TB) *node {
	n := emptyNode(t)
	n.define("v:A", 3)
	n.define("v:B", 3)
	n.quote("v:A", 10)
	n.trade("v:A", 20)
	return n
}

func symbol(t testing.TB, text string) market.Symbol {
	t.Helper()
	s, err := market.ParseSymbol(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// define adds an instrument that ingest knows of as well, in an epoch of these scales.
func (n *node) define(text string, scale uint8) {
	n.t.Helper()
	in := market.Instrument{Symbol: symbol(n.t, text), PriceScale: scale, SizeScale: 1, Source: "v"}
	n.store.Begin()
	_, err := n.store.Define(in)
	n.store.Commit()
	if err != nil {
		n.t.Fatal(err)
	}
	p := ingest.Past{Instrument: in, Scales: []ingest.EpochScales{{Epoch: 5, Price: scale, Size: 1}, {Epoch: 7, Price: 2, Size: 0}}}
	p.Last[market.ChannelDefinition] = market.Position{Epoch: 7, Sequence: 1}
	n.past = append(n.past, p)
}

func (n *node) id(text string) market.InstrumentID {
	n.t.Helper()
	id, ok := n.store.Lookup(symbol(n.t, text))
	if !ok {
		n.t.Fatalf("no %s", text)
	}
	return id
}

func (n *node) quote(text string, seq market.Sequence) {
	id := n.id(text)
	n.store.Begin()
	defer n.store.Commit()
	n.store.Quote(id, &market.Quote{Bid: int64(seq), Has: market.HasBid, Position: market.Position{Epoch: 7, Sequence: seq}})
}

func (n *node) trade(text string, seq market.Sequence) {
	id := n.id(text)
	n.store.Begin()
	defer n.store.Commit()
	n.store.Trade(id, &market.Trade{Price: int64(seq), Position: market.Position{Epoch: 7, Sequence: seq}})
}

// save writes a checkpoint of this moment.
func (n *node) save() {
	n.t.Helper()
	var failed bytes.Buffer
	k := checkpoint.NewKeeper(checkpoint.Options{
		Dir: n.dir, Counters: &n.drops, Log: slog.New(slog.NewTextHandler(&failed, nil)),
		Fill: func(ctx context.Context, w *checkpoint.Writer) error { return Write(ctx, w, n.place, n.past, n.store) },
	})
	k.Save(context.Background()) // outlives the part of the test that it began in
	if failed.Len() > 0 {
		n.t.Fatal(failed.String())
	}
}

func (n *node) load(now time.Time) State {
	return Load(n.dir, func() *snapshot.Store { return snapshot.NewStore(snapshot.Options{}) }, now, &n.drops, slog.New(slog.NewTextHandler(&n.log, nil)))
}

// logged holds that the log has a line with each of these words, and no more warnings than given.
func (n *node) logged(warnings int, words ...string) {
	n.t.Helper()
	for _, w := range words {
		if !strings.Contains(n.log.String(), w) {
			n.t.Errorf("the log does not say %q:\n%s", w, n.log.String())
		}
	}
	if got := strings.Count(n.log.String(), "level=WARN"); got != warnings {
		n.t.Errorf("%d warnings, want %d:\n%s", got, warnings, n.log.String())
	}
}

func TestStateComesBack(t *testing.T) {
	n := newNode(t)
	n.save()
	got := n.load(time.Now())
	if got.Place != n.place || !reflect.DeepEqual(got.Store.Instruments(), n.store.Instruments()) {
		t.Fatalf("%+v with %v", got.Place, got.Store.Instruments())
	}
	if len(got.Past) != 2 || !reflect.DeepEqual(got.Past[1].Scales, n.past[1].Scales) || got.Past[1].Instrument != n.past[1].Instrument ||
		got.Past[1].Last != n.past[1].Last {
		t.Fatalf("%+v", got.Past)
	}
	n.logged(0, "restored", "instruments=2")
}

// What ingest had seen when its places were noted, and what the store got since: the later one counts.
func TestLaterPositionCounts(t *testing.T) {
	n := newNode(t)
	at := func(seq market.Sequence) market.Position { return market.Position{Epoch: 7, Sequence: seq} }
	n.past[0].Last[market.ChannelQuote] = at(12) // of which two were refused
	n.past[0].Last[market.ChannelTrade] = at(18)
	n.past[0].Last[market.ChannelStatus] = at(3)
	id := n.id("v:A")
	n.store.Begin()
	n.store.Book(id, &market.BookEvent{Snapshot: true, Position: at(30)})
	n.store.Statistics(id, &market.Statistics{Position: at(40)})
	n.store.Commit()
	n.store.Begin()
	if _, err := n.store.Define(market.Instrument{Symbol: symbol(t, "v:NEW")}); err != nil { // ingest had not seen it yet
		t.Fatal(err)
	}
	n.store.Commit()
	n.trade("v:NEW", 2)
	n.save()
	past := n.load(time.Now()).Past
	want := map[market.Channel]market.Position{
		market.ChannelQuote: at(12), market.ChannelTrade: at(20), market.ChannelStatus: at(3), market.ChannelBook: at(30), market.ChannelStats: at(40),
		market.ChannelDefinition: at(1),
	}
	for ch := range past[0].Last {
		if got := past[0].Last[ch]; got != want[market.Channel(ch)] {
			t.Errorf("%v at %v, want %v", market.Channel(ch), got, want[market.Channel(ch)])
		}
	}
	last := past[len(past)-1]
	if last.Instrument.Symbol.Name != "NEW" || last.Last[market.ChannelTrade] != at(2) || last.Scales != nil {
		t.Errorf("%+v", last)
	}
}

func TestManyInstruments(t *testing.T) {
	n := newNode(t)
	for i := range 3000 {
		n.define(fmt.Sprintf("many:%d", i), 4)
	}
	n.save()
	if got := n.load(time.Now()); len(got.Past) != 3002 || got.Past[3001].Scales == nil {
		t.Fatalf("%d instruments", len(got.Past))
	}
}

func TestNoCheckpoint(t *testing.T) {
	n := newNode(t)
	got := n.load(time.Now())
	if got.Store == nil || got.Past != nil || got.Place != (Place{}) || n.drops.Count(drop.BadCheckpoint) != 0 {
		t.Fatalf("%+v", got)
	}
	n.logged(0, "no checkpoint to start from")
}

// One that is damaged gives way to the one before, and is set aside; where both are, the node starts from nothing.
func TestDamagedCheckpoints(t *testing.T) {
	n := newNode(t)
	n.save()
	n.quote("v:A", 11)
	n.save()
	names := checkpoint.Names(n.dir)
	harm := func(name string, f func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, f(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	harm(names[0], func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
	got := n.load(time.Now())
	if p := got.Store.Position(0, market.ChannelQuote); p.Sequence != 10 {
		t.Fatalf("quote at %v, want that of the checkpoint before", p)
	}
	n.logged(1, names[0], "damaged at byte")
	harm(names[1], func(b []byte) []byte { return b[:len(b)-7] })
	if got := n.load(time.Now()); len(got.Past) != 0 || len(got.Store.Instruments()) != 0 {
		t.Fatalf("%d instruments of nowhere", len(got.Past))
	}
	n.logged(2, names[1], "truncated", "no checkpoint to start from")
	if got := n.drops.Count(drop.BadCheckpoint); got != 2 {
		t.Errorf("%d counted, want 2", got)
	}
	if _, err := os.Stat(filepath.Join(n.dir, "checkpoint.damaged")); err != nil {
		t.Error(err)
	}
}

func TestAge(t *testing.T) {
	n := newNode(t)
	n.save()
	if got := n.load(time.Now().Add(8 * 24 * time.Hour)); len(got.Past) != 0 {
		t.Error("one of last week is used")
	}
	n.logged(1, "192h0m0s old: at most 168h0m0s are of use")
	if got := n.load(time.Now().Add(-time.Minute)); len(got.Past) != 2 || got.Place.Time != 0 {
		t.Errorf("one of a time to come: %d instruments, the stream from %d on", len(got.Past), got.Place.Time)
	}
	n.logged(2, "was the clock set back")
	if got := n.load(time.Now()); len(got.Past) != 2 {
		t.Error("refused ones are lost, though they were not damaged")
	}
}

// Sections that no feedd of this format writes are refused with what is wrong with them, though their checksums are right.
func TestSectionsThatMakeNoSense(t *testing.T) {
	place := []byte{0, 0, 0, 0}
	for name, c := range map[string]struct {
		write func(w *checkpoint.Writer) error
		want  string
	}{
		"nothing":  {func(*checkpoint.Writer) error { return nil }, "EOF"},
		"no place": {func(w *checkpoint.Writer) error { return w.Section(kindState, nil) }, "a section of kind 3 where 1 is due"},
		"two places": {func(w *checkpoint.Writer) error {
			return errors.Join(w.Section(kindPlace, place), w.Section(kindPlace, place))
		}, "kind 1 where 2 is due"},
		"a late past": {func(w *checkpoint.Writer) error {
			return errors.Join(w.Section(kindPlace, place), w.Section(kindState, nil), w.Section(kindPast, nil))
		}, "kind 2 where 3 is due"},
		"unknown":      {func(w *checkpoint.Writer) error { return errors.Join(w.Section(kindPlace, place), w.Section(99, nil)) }, "kind 99, which nobody knows"},
		"half a place": {func(w *checkpoint.Writer) error { return w.Section(kindPlace, place[:2]) }, "ends inside a field"},
		"half a past": {func(w *checkpoint.Writer) error {
			return errors.Join(w.Section(kindPlace, place), w.Section(kindPast, section.AppendText(nil, "v")))
		}, "ends inside a field"},
		"half a state": {func(w *checkpoint.Writer) error {
			return errors.Join(w.Section(kindPlace, place), w.Section(kindState, []byte{1}))
		}, "ends inside a field"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			checkpoint.NewKeeper(checkpoint.Options{
				Dir: n.dir, Counters: &n.drops, Log: slog.New(slog.DiscardHandler),
				Fill: func(_ context.Context, w *checkpoint.Writer) error { return c.write(w) },
			}).Save(t.Context())
			if got := n.load(time.Now()); len(got.Past) != 0 || got.Store == nil {
				t.Errorf("%+v", got)
			}
			n.logged(1, c.want)
		})
	}
}

func TestWritingEndsWithItsContext(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := checkpoint.NewKeeper(checkpoint.Options{
		Dir: n.dir, Counters: &n.drops, Log: slog.New(slog.DiscardHandler),
		Fill: func(ctx context.Context, w *checkpoint.Writer) error { return Write(ctx, w, n.place, n.past, n.store) },
	})
	k.Save(ctx)
	if _, err := checkpoint.Open(checkpoint.Names(n.dir)[0]); err == nil || n.drops.Count(drop.UnsavedState) != 0 {
		t.Errorf("written after the end: %v, %d counted", err, n.drops.Count(drop.UnsavedState))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(byte(1), []byte{0, 0, 0, 0}, byte(2), []byte("\x01v\x01A\x00"))
	f.Add(byte(1), []byte{0, 0, 0, 0}, byte(3), []byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, k1 byte, b1 []byte, k2 byte, b2 []byte) {
		dir := t.TempDir()
		checkpoint.NewKeeper(checkpoint.Options{
			Dir: dir, Counters: new(drop.Counters), Log: slog.New(slog.DiscardHandler),
			Fill: func(_ context.Context, w *checkpoint.Writer) error {
				return errors.Join(w.Section(checkpoint.Kind(k1), b1), w.Section(checkpoint.Kind(k2), b2))
			},
		}).Save(t.Context())
		file, err := checkpoint.Open(checkpoint.Names(dir)[0])
		if err != nil {
			return
		}
		defer file.Close()
		store := snapshot.NewStore(snapshot.Options{})
		if _, past, err := Read(file.Reader, store); err == nil && len(past) != len(store.Instruments()) {
			t.Fatalf("%d pasts of %d instruments", len(past), len(store.Instruments()))
		}
	})
}

// A node of 10,000 instruments, each with a quote, a book of 20 levels a side, and the trades and bars of a busy minute.
func BenchmarkNode(b *testing.B) {
	n := emptyNode(b)
	for i := range 10_000 {
		n.define(fmt.Sprintf("v:N%05d", i), 2)
	}
	for k := range int64(60) {
		n.store.Begin()
		for id := range market.InstrumentID(10_000) {
			now := (1_700_000_000 + k) * 1_000_000
			p := market.Position{Epoch: 1_700_000_000_000_000, Sequence: market.Sequence(k + 1)}
			n.store.Quote(id, &market.Quote{Bid: 6_000_000 + k, BidSize: 100, Ask: 6_000_100 + k, AskSize: 100, IngestTime: now, Position: p, Has: 3})
			n.store.Trade(id, &market.Trade{Price: 6_000_000 + k, Size: 10 + k, ExchangeTime: now - 5000, IngestTime: now, ID: uint64(k), Position: p})
			book := &market.BookEvent{Snapshot: k == 0, IngestTime: now, Position: p}
			for i := range int64(20) {
				if k == 0 || i == k%20 {
					book.Bids = append(book.Bids, market.Level{Price: 6_000_000 - i, Size: 100 + k})
					book.Asks = append(book.Asks, market.Level{Price: 6_000_001 + i, Size: 100 + k})
				}
			}
			n.store.Book(id, book)
		}
		n.store.Commit()
	}
	n.save()
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			n.save()
		}
		st, err := os.Stat(checkpoint.Names(n.dir)[0])
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(st.Size())/10_000, "B/instrument")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			if got := n.load(time.Now()); len(got.Past) != 10_000 {
				b.Fatalf("%d instruments", len(got.Past))
			}
		}
	})
}
