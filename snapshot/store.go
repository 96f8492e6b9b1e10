package snapshot

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
)

// Options bound what a Store may hold. Zero fields take the defaults.
type Options struct {
	Instruments int // how many instruments may be defined; default 100,000
	Handles     int // how many different views clients may ask for; default 2,000,000
	// FirstHandle is the number ahead of the first handle, so that those of several stores differ. 0 for one store.
	FirstHandle market.Handle
	// The log of an instrument keeps the last LogEvents events, and those of the last LogFor, but never more
	// than LogMax, which is rounded up to a power of two. The defaults are 1,024 events, 6 s (the slowest
	// cadence must not lose what came between two of its cuts), and 65,536 events.
	LogEvents, LogMax int
	LogFor            time.Duration
	Counters          *drop.Counters
}

// Store is the state of the market on this node. Its writing methods (those of ingest.Sink) belong to one
// goroutine, its other methods to any.
type Store struct {
	options  Options
	watchers []func() // set before the first Begin

	followers atomic.Int64 // how many Follow have no Unfollow yet

	mu      sync.RWMutex // held from Begin to Commit
	records []record     // by InstrumentID
	sources []source     // by index
	byName  map[market.Symbol]market.InstrumentID
	sorted  []market.InstrumentID // by symbol
	handles map[Topic]market.Handle
	topics  []Topic // by handle, less options.FirstHandle; handle 0 is none
	journal journal
	stirred bool // something that is followed changed in this batch
	changes definitionLog
	agenda  agenda
	now     int64 // the last that Advance told
}

// record is one instrument. The tick counts say how often a part changed since the node started; they are
// what readers compare.
type record struct {
	instrument  market.Instrument
	source      uint32
	quote       market.Quote
	quoteTicks  uint64
	status      market.Status
	statusTicks uint64
	reasons     reasons
	trades      log
	book        bookRecord
	bars        barRecord
	unsettled   bool // its state is not carried, or not yet: see Forget

	// followed counts, by channel, who wants to hear of changes at once. Readers change it with atomics while
	// they hold the lock for reading; the writer reads it while it holds the lock for itself.
	followed [1 << keyChannelBits]int32
}

// reasons are the words for people that go with the two sides of a status. It shows one: while rows may not be
// believed that is the more urgent.
type reasons struct{ trading, quality string }

type source struct {
	name   string
	status market.Status
	ticks  uint64

	followed int32 // as in record
}

// NewStore returns an empty store.
func NewStore(o Options) *Store {
	if o.Instruments <= 0 {
		o.Instruments = 100_000
	}
	if o.Handles <= 0 {
		o.Handles = 2_000_000
	}
	if o.LogEvents <= 0 {
		o.LogEvents = 1024
	}
	if o.LogMax <= 0 {
		o.LogMax = 65_536
	}
	if o.LogFor <= 0 {
		o.LogFor = 6 * time.Second
	}
	if o.Counters == nil {
		o.Counters = new(drop.Counters)
	}
	return &Store{
		options: o,
		byName:  make(map[market.Symbol]market.InstrumentID),
		handles: make(map[Topic]market.Handle),
		topics:  make([]Topic, 1),
		agenda:  newAgenda(),
	}
}

// Watch has f called after every Commit of a batch that changed something that is followed, on the writer's
// goroutine. Call it before the first Begin.
func (s *Store) Watch(f func()) { s.watchers = append(s.watchers, f) }

// Begin opens a batch.
func (s *Store) Begin() { s.mu.Lock() }

// TryBegin opens a batch where anything is followed, and nobody reads; it reports whether it did.
func (s *Store) TryBegin() bool { return s.followers.Load() > 0 && s.mu.TryLock() }

// Commit closes the batch: readers see all of it from now on.
func (s *Store) Commit() {
	stirred := s.stirred
	s.stirred = false
	s.mu.Unlock()
	if !stirred {
		return
	}
	for _, f := range s.watchers {
		f()
	}
}

// Define adds an instrument, or changes what is known of it apart from its scales, which stay.
func (s *Store) Define(in market.Instrument) (market.InstrumentID, error) {
	if in.Source == "" {
		in.Source = in.Symbol.Venue
	}
	id, known := s.byName[in.Symbol]
	if known {
		r := &s.records[id]
		in.PriceScale, in.SizeScale = r.instrument.PriceScale, r.instrument.SizeScale
		r.source = s.sourceIndex(in.Source)
		stream := market.StreamOpen
		if in.Delisted {
			stream = market.StreamClosed
		}
		if r.instrument != in {
			s.noteDefinition(id)
		}
		r.instrument = in
		if r.status.Stream != stream {
			r.status.Stream = stream
			s.statusChanged(id)
		}
		return id, nil
	}
	if len(s.records) >= s.options.Instruments {
		return 0, fmt.Errorf("instrument %s: the limit of %d instruments is reached", in.Symbol, s.options.Instruments)
	}
	id = market.InstrumentID(len(s.records))
	s.records = append(s.records, record{
		instrument:  in,
		source:      s.sourceIndex(in.Source),
		status:      market.Status{Stream: market.StreamOpen, Quality: market.QualityOK},
		statusTicks: 1,
	})
	s.byName[in.Symbol] = id
	s.noteDefinition(id)
	at, _ := slices.BinarySearchFunc(s.sorted, in.Symbol, func(id market.InstrumentID, sym market.Symbol) int {
		return compareSymbols(s.records[id].instrument.Symbol, sym)
	})
	s.sorted = slices.Insert(s.sorted, at, id)
	return id, nil
}

func compareSymbols(a, b market.Symbol) int {
	if c := strings.Compare(a.Venue, b.Venue); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// Quote replaces the instrument's quote.
func (s *Store) Quote(id market.InstrumentID, q *market.Quote) {
	r := &s.records[id]
	r.quote = *q
	r.quoteTicks++
	s.note(id, market.ChannelQuote)
}

// Trade appends to the instrument's log of trades.
func (s *Store) Trade(id market.InstrumentID, t *market.Trade) {
	s.tradeLog(id).append(t, s.now)
	s.traded(id, t)
	s.note(id, market.ChannelTrade)
}

// TradeGap appends to the log that the trades from … to never arrived.
func (s *Store) TradeGap(id market.InstrumentID, epoch market.Epoch, from, to market.Sequence) {
	s.tradeLog(id).appendGap(epoch, from, to, s.now)
	s.note(id, market.ChannelTrade)
}

func (s *Store) tradeLog(id market.InstrumentID) *log {
	l := &s.records[id].trades
	if l.handle == 0 {
		l.handle = s.handle(Topic{Key: MakeKey(id, market.ChannelTrade)})
		l.bounds = bounds{keep: s.options.LogEvents, most: ceil2(s.options.LogMax), window: s.options.LogFor.Microseconds()}
	}
	return l
}

// Trading sets what the venue lets participants do.
func (s *Store) Trading(id market.InstrumentID, trading market.Trading, reason string) {
	r := &s.records[id]
	st := r.status
	st.Trading, r.reasons.trading = trading, reason
	s.setStatus(id, st)
}

// Quality sets whether the instrument's rows may be believed.
func (s *Store) Quality(id market.InstrumentID, q market.Quality, reason string) {
	r := &s.records[id]
	st := r.status
	st.Quality, r.reasons.quality = q, reason
	s.setStatus(id, st)
}

// setStatus takes over st, with the reason that it shows.
func (s *Store) setStatus(id market.InstrumentID, st market.Status) {
	r := &s.records[id]
	st.Reason = r.reasons.trading
	if st.Quality != market.QualityOK {
		st.Reason = r.reasons.quality
	}
	if r.status != st {
		r.status = st
		s.statusChanged(id)
	}
}

// Forget lets go of all that is kept of an instrument but its definition and its status, and has those who come to look at it
// wait for Settle. Nobody may be looking at anything else of it now.
func (s *Store) Forget(id market.InstrumentID) {
	r := &s.records[id]
	s.agenda.leave(s, &r.bars)
	*r = record{
		instrument: r.instrument, source: r.source, status: r.status, statusTicks: r.statusTicks, reasons: r.reasons,
		followed: r.followed, unsettled: true,
	}
}

// Settle says that the state of an instrument is there again, and since when its trades are known, in microseconds: those who
// wait begin with it.
func (s *Store) Settle(id market.InstrumentID, since int64) {
	r := &s.records[id]
	r.unsettled = false
	st := r.status
	st.Since = since
	s.setStatus(id, st)
	for ch := range r.followed {
		s.note(id, market.Channel(ch))
	}
}

func (s *Store) statusChanged(id market.InstrumentID) {
	s.records[id].statusTicks++
	s.note(id, market.ChannelStatus)
}

// Source sets the status of all instruments of a source at once.
func (s *Store) Source(name string, stream market.Stream, q market.Quality, reason string) {
	i := s.sourceIndex(name)
	src := &s.sources[i]
	status := market.Status{Stream: stream, Quality: q, Reason: reason}
	if src.status == status {
		return
	}
	src.status = status
	src.ticks++
	if src.followed != 0 {
		s.journal.add(sourceKey(i))
		s.stirred = true
	}
}

// note puts a change into the journal if anybody follows it. Most ticks are of interest only to readers who come
// by on their beat: waking somebody for them would cost more than applying them.
func (s *Store) note(id market.InstrumentID, ch market.Channel) {
	if s.records[id].followed[ch] != 0 {
		s.journal.add(MakeKey(id, ch))
		s.stirred = true
	}
}

func (s *Store) sourceIndex(name string) uint32 {
	for i := range s.sources {
		if s.sources[i].name == name {
			return uint32(i)
		}
	}
	s.sources = append(s.sources, source{
		name: name, status: market.Status{Stream: market.StreamOpen, Quality: market.QualityOK}, ticks: 1,
	})
	return uint32(len(s.sources) - 1)
}
