package snapshot

import (
	"slices"

	"github.com/feedd/feedd/market"
)

// Handle finds or allocates the handle of a view of an instrument's channel; 0 where the store's limit of handles is
// reached.
func (s *Store) Handle(id market.InstrumentID, ch market.Channel, v market.View) market.Handle {
	return s.findHandle(Topic{MakeKey(id, ch), v})
}

// SourceHandle finds or allocates the handle of a source's status; 0 for a source that no instrument has, or where
// the store's limit of handles is reached.
func (s *Store) SourceHandle(name string) market.Handle {
	s.mu.RLock()
	for i := range s.sources {
		if s.sources[i].name == name {
			s.mu.RUnlock()
			return s.findHandle(Topic{Key: sourceKey(uint32(i))})
		}
	}
	s.mu.RUnlock()
	return 0
}

// Topic returns what a handle stands for; it must be one that this store gave out.
func (s *Store) Topic(h market.Handle) Topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.topics[h-s.options.FirstHandle]
}

func (s *Store) findHandle(t Topic) market.Handle {
	s.mu.RLock()
	h := s.handles[t]
	s.mu.RUnlock()
	if h != 0 {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.topics) > s.options.Handles {
		return s.handles[t]
	}
	return s.handle(t)
}

// handle does the same inside a batch, without a limit.
func (s *Store) handle(t Topic) market.Handle {
	h := s.handles[t]
	if h == 0 {
		h = s.options.FirstHandle + market.Handle(len(s.topics))
		s.handles[t] = h
		s.topics = append(s.topics, t)
	}
	return h
}

// Lookup finds an instrument by its symbol.
func (s *Store) Lookup(sym market.Symbol) (market.InstrumentID, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, ok := s.byName[sym]
	return id, ok
}

// Instrument returns what is known of an instrument.
func (s *Store) Instrument(id market.InstrumentID) market.Instrument {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.records[id].instrument
}

// Instruments returns every instrument, sorted by symbol.
func (s *Store) Instruments() []market.Instrument {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]market.Instrument, len(s.sorted))
	for i, id := range s.sorted {
		all[i] = s.records[id].instrument
	}
	return all
}

// Match returns the instruments, but delisted ones, whose "venue:NAME" fits a pattern in which * stands for any run of
// characters, sorted by symbol, at most limit of them.
func (s *Store) Match(pattern string, limit int) []market.InstrumentID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []market.InstrumentID
	for _, id := range s.sorted {
		if len(ids) >= limit {
			break
		}
		if in := &s.records[id].instrument; !in.Delisted && market.Fits(pattern, in.Symbol.String()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// definitionLogSize bounds how far a session may fall behind the directory before it must look at all of it.
const definitionLogSize = 4096

// definitionLog is a ring of the instruments that were defined or changed last.
type definitionLog struct {
	ids  []market.InstrumentID
	next uint64 // how many were ever added
}

func (s *Store) noteDefinition(id market.InstrumentID) {
	l := &s.changes
	if len(l.ids) < definitionLogSize {
		l.ids = append(l.ids, id)
	} else {
		l.ids[l.next%definitionLogSize] = id
	}
	l.next++
}

// Revision counts the definitions and the changes of definitions so far.
func (s *Store) Revision() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changes.next
}

// DefinedSince returns the instruments that were defined or changed since a revision, in order and perhaps with
// repeats, and the revision that this is up to. Where too many were, it is all instruments.
func (s *Store) DefinedSince(revision uint64) (ids []market.InstrumentID, now uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := &s.changes
	if l.next-revision > uint64(len(l.ids)) {
		return slices.Clone(s.sorted), l.next
	}
	for i := revision; i < l.next; i++ {
		ids = append(ids, l.ids[i%definitionLogSize])
	}
	return ids, l.next
}

// Sources returns the status of each source, by name.
func (s *Store) Sources() map[string]market.Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make(map[string]market.Status, len(s.sources))
	for i := range s.sources {
		all[s.sources[i].name] = s.sources[i].status
	}
	return all
}

// Counts is how much a store holds.
type Counts struct {
	Instruments, Sources, SuspectSources int
}

// Counts returns how much the store holds.
func (s *Store) Counts() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := Counts{Instruments: len(s.records), Sources: len(s.sources)}
	for i := range s.sources {
		if s.sources[i].status.Quality == market.QualitySuspect {
			c.SuspectSources++
		}
	}
	return c
}
