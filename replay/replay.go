package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/internal/recording"
	"github.com/feedd/feedd/market"
	"github.com/feedd/feedd/publish"
)

// Config says what to replay and how.
type Config struct {
	Files []string // at least one
	// Speed is the factor on the recorded pace: 1 is the original, 10 ten times as fast, 0 as fast as NATS
	// takes it. Otherwise 0.001 to 1,000,000.
	Speed float64
	// Loop starts again behind the last event, in a new epoch each time, until Run's context ends.
	Loop bool
	// Present moves the exchange's times so that the market ends when the replay does, and none lies in the future:
	// bars then close and statistics count as in a live market. Otherwise times are as they were recorded.
	Present bool
	// Progress is where a line on the state of things goes now and then; nil: nowhere.
	Progress io.Writer
	// Live says that Progress is a terminal, where one line can be rewritten.
	Live bool
}

// Replay is a set of recordings that were found whole.
type Replay struct {
	cfg     Config
	surveys []*recording.Survey // by file
	order   []*track            // instruments by first appearance
	tracks  map[market.Symbol]*track
	first   int64 // receive time of the first event
	last    int64 // and of the last
	events  int
}

// track is one instrument of a replay.
type track struct {
	definition market.Instrument
	snapshots  int // in all files
	tally      Tally

	// Of the round that runs.
	out    instrument
	joiner joiner
}

// Tally counts what became of an instrument's recorded events, over all rounds.
type Tally struct {
	Symbol                market.Symbol
	Quotes, Trades, Books int // published
	// Stale are book events that an image or later event already held. Unjoined are changes without a
	// snapshot to begin from. Breaks are places where a change did not continue the one before.
	Stale, Unjoined, Breaks int
}

// String is one line for people.
func (t Tally) String() string {
	s := fmt.Sprintf("%s: %s quotes, %s trades, %s book events", t.Symbol, grouped(t.Quotes), grouped(t.Trades), grouped(t.Books))
	for _, left := range []struct {
		n   int
		why string
	}{
		{t.Stale, "book events left out because the snapshot holds them"},
		{t.Unjoined, "book changes left out because no snapshot comes ahead of them"},
		{t.Breaks, "breaks in the book's numbers"},
	} {
		if left.n > 0 {
			s += fmt.Sprintf("; %s %s", grouped(left.n), left.why)
		}
	}
	return s
}

// Open reads the files from end to end and checks them. An error names what is wrong with the
// configuration, or the file and the line that is broken.
func Open(cfg Config) (*Replay, error) {
	if len(cfg.Files) == 0 {
		return nil, errors.New("no files to replay")
	}
	if err := checkSpeed(cfg.Speed); err != nil {
		return nil, err
	}
	r := &Replay{cfg: cfg, tracks: make(map[market.Symbol]*track)}
	for _, file := range cfg.Files {
		s, err := recording.SurveyFile(file)
		if err != nil {
			return nil, err
		}
		if len(r.surveys) == 0 || s.First < r.first {
			r.first = s.First
		}
		r.last = max(r.last, s.Last)
		r.events += s.Events
		r.surveys = append(r.surveys, s)
	}
	if err := recording.Agree(r.surveys...); err != nil {
		return nil, err
	}
	for _, s := range r.surveys {
		for _, in := range s.Instruments {
			t := r.tracks[in.Symbol]
			if t == nil {
				t = &track{definition: define(in), tally: Tally{Symbol: in.Symbol}}
				r.tracks[in.Symbol] = t
				r.order = append(r.order, t)
			}
			t.snapshots += in.Snapshots
		}
	}
	return r, nil
}

// Events returns how many events a round has.
func (r *Replay) Events() int { return r.events }

// Instruments returns what is known of the instruments, in order of first appearance.
func (r *Replay) Instruments() []market.Instrument {
	var all []market.Instrument
	for _, t := range r.order {
		all = append(all, t.definition)
	}
	return all
}

// quoteAssets are what recorded pairs are priced in. A name does not say where its two parts meet.
var quoteAssets = []string{"USDT", "USDC", "FDUSD", "BUSD", "BTC", "ETH"}

func define(in recording.Instrument) market.Instrument {
	d := market.Instrument{
		Symbol: in.Symbol, PriceScale: in.Price.Scale, SizeScale: in.Size.Scale, PriceStep: in.Price.Step, SizeStep: in.Size.Step,
		Description: in.Symbol.Name + ", recorded", Asset: market.AssetSpot,
	}
	if in.Symbol.Venue == recording.VenueFutures {
		d.Asset = market.AssetPerpetual
		if strings.Contains(in.Symbol.Name, "_") { // BTCUSDT_240927 ends on a day
			d.Asset = market.AssetFuture
		}
	}
	for _, asset := range quoteAssets {
		if base, ok := strings.CutSuffix(in.Symbol.Name, asset); ok && base != "" {
			d.Base, d.Quote, d.Description = base, asset, base+"/"+asset+", recorded"
			break
		}
	}
	return d
}

// Run publishes the recordings over nc, which it leaves open, and returns what was published. It ends
// behind the last event, or, without an error, when ctx does. It must not be called twice at a time.
func (r *Replay) Run(ctx context.Context, nc *nats.Conn) ([]Tally, error) {
	return r.run(ctx, natsOutlet{nc})
}

func (r *Replay) run(ctx context.Context, out outlet) ([]Tally, error) {
	p := &progress{out: r.cfg.Progress, live: r.cfg.Live, loop: r.cfg.Loop, events: r.events}
	var epoch market.Epoch
	var err error
	for {
		epoch = max(epoch+1, market.Epoch(time.Now().UnixMicro()))
		err = r.round(ctx, out, epoch, p)
		if err != nil || ctx.Err() != nil || !r.cfg.Loop {
			break
		}
	}
	var tallies []Tally
	for _, t := range r.order {
		tallies = append(tallies, t.tally)
	}
	return tallies, err
}

// round publishes the files once. That ctx ended is no error.
func (r *Replay) round(ctx context.Context, out outlet, epoch market.Epoch, p *progress) (err error) {
	events, err := openTimeline(r.cfg.Files, r.surveys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	var feeds feeds
	defer func() { err = errors.Join(err, feeds.close()) }()
	if err := r.define(out, epoch, &feeds); err != nil {
		return err
	}
	if err := out.settle(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	player := &player{out: out, feeds: feeds, tracks: r.tracks, progress: p, pacer: pacer{speed: r.cfg.Speed, first: r.first, start: time.Now()}}
	if r.cfg.Present {
		player.shift = player.pacer.shift(r.last)
	}
	p.begin(player.pacer.start)
	why := "done"
	if err = ignoreEnd(ctx, player.play(ctx, events)); err != nil {
		why = "failed"
	} else if ctx.Err() != nil {
		why = "stopped"
	}
	p.end(time.Now(), why)
	return err
}

// define opens a feed for each venue and publishes all definitions ahead of the first tick.
func (r *Replay) define(out outlet, epoch market.Epoch, feeds *feeds) error {
	for _, t := range r.order {
		f, err := feeds.of(t.definition.Symbol.Venue, out, epoch)
		if err != nil {
			return err
		}
		if t.out, err = f.define(t.definition); err != nil {
			return err
		}
		t.joiner = joiner{snapshots: t.snapshots, tally: &t.tally}
	}
	return nil
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// publishEvent publishes one event of t, its exchange time moved by shift microseconds.
func (t *track) publishEvent(e *recording.Event, shift int64) error {
	for _, at := range [...]*int64{&e.Quote.ExchangeTime, &e.Trade.ExchangeTime, &e.Book.ExchangeTime} {
		if *at != 0 {
			*at += shift
		}
	}
	switch e.Kind {
	case recording.Quote:
		t.tally.Quotes++
		return t.out.Quote(e.Quote)
	case recording.Trade:
		t.tally.Trades++
		return t.out.Trade(e.Trade)
	default:
		return t.joiner.add(&e.Book, e.Kind == recording.Snapshot, func(b publish.Book) error {
			t.tally.Books++
			return t.out.Book(b)
		})
	}
}
