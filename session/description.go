package session

import (
	"hash/maphash"
	"sync"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// description is an instrument as clients are told of it: made once for each of its definitions, and shared by all whom it
// is told. It is never changed.
type description struct {
	in   market.Instrument
	told uint32 // its fingerprint
	wire *feedv1.Instrument
	size int // bytes of wire, at most
}

// descriptions are those of all instruments that anybody has asked for. Any goroutine may use it.
type descriptions struct {
	mu   sync.RWMutex
	byID map[market.InstrumentID]*description
}

// description returns how an instrument is told now. Its status must have a handle.
func (e *Env) description(id market.InstrumentID) *description {
	in, all := e.instrument(id), &e.descriptions
	all.mu.RLock()
	d := all.byID[id]
	all.mu.RUnlock()
	if d != nil && d.in == in {
		return d
	}
	d = &description{in: in, told: fingerprint(in), wire: e.wireInstrument(id, in)}
	d.size = instrumentBytes + textBytes(d.wire.Symbol, d.wire.Description, d.wire.Base, d.wire.Quote, d.wire.Source, d.wire.TimeZone)
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.byID == nil {
		all.byID = make(map[market.InstrumentID]*description)
	}
	all.byID[id] = d
	return d
}

var fingerprints = maphash.MakeSeed()

// fingerprint tells two descriptions of an instrument apart, but for one change in four billion.
func fingerprint(in market.Instrument) uint32 { return uint32(maphash.Comparable(fingerprints, in)) }

// maxNameLen bounds the words of an instrument in bytes, so that it fits a part whatever its publisher says.
const maxNameLen = 256

func (e *Env) wireInstrument(id market.InstrumentID, in market.Instrument) *feedv1.Instrument {
	return &feedv1.Instrument{
		Symbol: in.Symbol.String(), PriceScale: uint32(in.PriceScale), SizeScale: uint32(in.SizeScale),
		PriceStep: in.PriceStep, SizeStep: in.SizeStep, Description: clip(in.Description, maxNameLen),
		Base: clip(in.Base, maxNameLen), Quote: clip(in.Quote, maxNameLen), Source: in.Source, StatusHandle: uint32(e.statusHandle(id)),
		AssetClass: in.Asset.String(), SessionStartS: in.SessionStart, TimeZone: clip(in.TimeZone, maxNameLen), Delisted: in.Delisted,
		DelayMs: uint32(e.feed(feedOf(id)).Delay.Milliseconds()),
	}
}
