package snapshot

import "github.com/feedd/feedd/market"

// barRecord is an instrument's bars and statistics.
type barRecord struct {
	statistics market.Statistics
}

// traded takes a trade, which is in the log already, into bars and statistics.
func (s *Store) traded(id market.InstrumentID, _ *market.Trade) {
	s.note(id, market.ChannelBar)
	s.note(id, market.ChannelStats)
}

// Statistics takes what the venue states.
func (s *Store) Statistics(id market.InstrumentID, st *market.Statistics) {
	s.records[id].bars.statistics = *st
	s.note(id, market.ChannelStats)
}

// Advance lets time pass.
func (s *Store) Advance(int64) {}
