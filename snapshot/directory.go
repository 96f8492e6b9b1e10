package snapshot

import (
	"strings"

	"github.com/feedd/feedd/market"
)

// Handle finds or allocates the handle of an instrument's channel.
func (s *Store) Handle(id market.InstrumentID, ch market.Channel) market.Handle {
	return s.findHandle(MakeKey(id, ch))
}

// SourceHandle finds or allocates the handle of a source's status; 0 for a source that no instrument has.
func (s *Store) SourceHandle(name string) market.Handle {
	s.mu.RLock()
	for i := range s.sources {
		if s.sources[i].name == name {
			s.mu.RUnlock()
			return s.findHandle(sourceKey(uint32(i)))
		}
	}
	s.mu.RUnlock()
	return 0
}

// Key returns what a handle stands for; it must be one that this store gave out.
func (s *Store) Key(h market.Handle) Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.keys[h]
}

func (s *Store) findHandle(k Key) market.Handle {
	s.mu.RLock()
	h := s.handles[k]
	s.mu.RUnlock()
	if h != 0 {
		return h
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handle(k)
}

// handle does the same inside a batch.
func (s *Store) handle(k Key) market.Handle {
	h := s.handles[k]
	if h == 0 {
		h = market.Handle(len(s.keys))
		s.handles[k] = h
		s.keys = append(s.keys, k)
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

// Match returns the instruments whose "venue:NAME" fits a pattern in which * stands for any run of
// characters, sorted by symbol, at most limit of them.
func (s *Store) Match(pattern string, limit int) []market.InstrumentID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []market.InstrumentID
	for _, id := range s.sorted {
		if len(ids) >= limit {
			break
		}
		if matches(pattern, s.records[id].instrument.Symbol.String()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// matches takes time proportional to the pattern's parts times the text, whatever the pattern: each part
// between stars is placed as early as it fits.
func matches(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
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
