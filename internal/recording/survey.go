package recording

import (
	"errors"
	"fmt"
	"io"

	"github.com/feedd/feedd/market"
)

// Venues of the recordings.
const (
	VenueSpot    = "binance"
	VenueFutures = "binance-usdm"
)

// Survey is what one reading of a recording found out about it.
type Survey struct {
	Instruments []Instrument // by first appearance; a survey has at least one
	Events      int          // lines
	First, Last int64        // receive times of the first and the last event, in nanoseconds
}

// Instrument is what a recording says of an instrument.
type Instrument struct {
	Symbol      market.Symbol
	Price, Size Grid
	// How many events of each kind there are.
	Quotes, Trades, Depths, Snapshots int
}

// SurveyFile reads the file at path from end to end and checks every line.
func SurveyFile(path string) (*Survey, error) {
	in, err := openLines(path)
	if err != nil {
		return nil, err
	}
	s, err := survey(in)
	if cerr := in.Close(); err == nil && cerr != nil {
		return nil, fmt.Errorf("%s: %w", path, cerr)
	}
	return s, err
}

// Agree gives every instrument that several surveys hold the same scales and steps in all of them, so that
// events of one instrument from several files go together.
func Agree(surveys ...*Survey) error {
	shared := make(map[market.Symbol]*Instrument)
	for _, s := range surveys {
		for _, in := range s.Instruments {
			all := shared[in.Symbol]
			if all == nil {
				all = &Instrument{Symbol: in.Symbol}
				shared[in.Symbol] = all
			}
			if !all.join(&in) {
				return fmt.Errorf("instrument %s: no scale fits the numbers of all files", in.Symbol)
			}
		}
	}
	for _, s := range surveys {
		for i := range s.Instruments {
			in := &s.Instruments[i]
			in.Price, in.Size = shared[in.Symbol].Price, shared[in.Symbol].Size
		}
	}
	return nil
}

// add takes the numbers of one line into the grids.
func (in *Instrument) add(l *line) error {
	ok := true
	switch l.kind {
	case Quote:
		in.Quotes++
		ok = in.Price.add(l.bid) && in.Size.add(l.bidSize) && in.Price.add(l.ask) && in.Size.add(l.askSize)
	case Trade:
		in.Trades++
		ok = in.Price.add(l.price) && in.Size.add(l.size)
	case Depth, Snapshot:
		if l.kind == Depth {
			in.Depths++
		} else {
			in.Snapshots++
		}
		for _, side := range [2][]rawLevel{l.bids, l.asks} {
			for _, level := range side {
				ok = ok && in.Price.add(level.price) && in.Size.add(level.size)
			}
		}
	}
	if !ok {
		return errors.New("the numbers up to here have no scale in common that fits 63 bits")
	}
	return nil
}

// join refines the grids of in so that they hold what those of o hold.
func (in *Instrument) join(o *Instrument) bool {
	return in.Price.join(o.Price) && in.Size.join(o.Size)
}

// venue is where a line comes from.
func (l *line) venue() string {
	if l.futures {
		return VenueFutures
	}
	return VenueSpot
}

func survey(in *lines) (*Survey, error) {
	s := &surveyor{byName: make(map[market.Symbol]*Instrument), snapshots: make(map[string]*Instrument)}
	var l line
	for {
		err := in.next(&l)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(&l); err != nil {
			return nil, in.wrap(err)
		}
	}
	result, err := s.finish()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in.name, err)
	}
	return result, nil
}

// surveyor gathers a survey line by line.
type surveyor struct {
	survey    Survey
	order     []*Instrument // by first appearance
	byName    map[market.Symbol]*Instrument
	snapshots map[string]*Instrument // by venue: a snapshot does not say its symbol
	names     symbols
}

func (s *surveyor) add(l *line) error {
	s.survey.count(l.received)
	if l.kind == Snapshot {
		in := s.snapshots[l.venue()]
		if in == nil {
			in = &Instrument{}
			s.snapshots[l.venue()] = in
		}
		return in.add(l)
	}
	symbol, err := s.names.of(l)
	if err != nil {
		return err
	}
	in := s.byName[symbol]
	if in == nil {
		in = &Instrument{Symbol: symbol}
		s.byName[symbol] = in
		s.order = append(s.order, in)
	}
	return in.add(l)
}

func (s *surveyor) finish() (*Survey, error) {
	if s.survey.Events == 0 {
		return nil, errors.New("holds no events")
	}
	for _, venue := range [2]string{VenueSpot, VenueFutures} {
		snapshot := s.snapshots[venue]
		if snapshot == nil {
			continue
		}
		owner, err := snapshotOwner(s.order, venue)
		if err != nil {
			return nil, err
		}
		if !owner.join(snapshot) {
			return nil, fmt.Errorf("instrument %s: its numbers have no scale in common that fits 63 bits", owner.Symbol)
		}
		owner.Snapshots = snapshot.Snapshots
	}
	for _, in := range s.order {
		s.survey.Instruments = append(s.survey.Instruments, *in)
	}
	return &s.survey, nil
}

func (s *Survey) count(received int64) {
	if s.Events == 0 {
		s.First, s.Last = received, received
	}
	s.First, s.Last = min(s.First, received), max(s.Last, received)
	s.Events++
}

// snapshotOwner returns the one instrument of venue, whose book a snapshot without a symbol must be.
func snapshotOwner(instruments []*Instrument, venue string) (*Instrument, error) {
	var owner *Instrument
	found := 0
	for _, in := range instruments {
		if in.Symbol.Venue == venue {
			owner = in
			found++
		}
	}
	if found != 1 {
		return nil, fmt.Errorf("a snapshot does not say its symbol: want one instrument of %s in the file, found %d", venue, found)
	}
	return owner, nil
}

// symbols makes symbols of lines without allocating one per line.
type symbols struct {
	byName map[string][2]market.Symbol // spot, futures
}

func (s *symbols) of(l *line) (market.Symbol, error) {
	i := 0
	if l.futures {
		i = 1
	}
	pair, known := s.byName[string(l.name)]
	if known && pair[i].Name != "" {
		return pair[i], nil
	}
	symbol := market.Symbol{Venue: l.venue(), Name: string(l.name)}
	if err := symbol.Validate(); err != nil {
		return market.Symbol{}, err
	}
	if s.byName == nil {
		s.byName = make(map[string][2]market.Symbol)
	}
	pair[i] = symbol
	s.byName[symbol.Name] = pair
	return symbol, nil
}
