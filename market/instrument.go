package market

import (
	"errors"
	"fmt"
	"strings"
)

// InstrumentID is the dense number of an instrument on this node, from 0 up. It is an index into
// arrays; it means nothing on another node or after a restart.
type InstrumentID uint32

// Symbol names an instrument to the world: a venue and the venue's own name for it.
type Symbol struct {
	Venue string // lower-case by custom, without ':'
	Name  string // as the venue spells it; may hold any printable character
}

// MaxSymbolLen bounds "venue:NAME" in bytes, so that a client or publisher cannot make names grow.
const MaxSymbolLen = 64

// String returns "venue:NAME".
func (s Symbol) String() string { return s.Venue + ":" + s.Name }

var errSymbol = errors.New(`want venue:NAME, such as binance:BTCUSDT`)

// ParseSymbol reads "venue:NAME". The error says what is wrong with text and what would be right.
func ParseSymbol(text string) (Symbol, error) {
	if len(text) > MaxSymbolLen {
		return Symbol{}, fmt.Errorf("symbol of %d bytes: at most %d are allowed", len(text), MaxSymbolLen)
	}
	venue, name, ok := strings.Cut(text, ":")
	if !ok || venue == "" || name == "" {
		return Symbol{}, fmt.Errorf("symbol %q: %w", text, errSymbol)
	}
	s := Symbol{Venue: venue, Name: name}
	if err := s.Validate(); err != nil {
		return Symbol{}, err
	}
	return s, nil
}

// Validate reports whether both parts are present, short enough and free of control characters.
func (s Symbol) Validate() error {
	if s.Venue == "" || s.Name == "" || strings.ContainsRune(s.Venue, ':') {
		return fmt.Errorf("symbol %q: %w", s.String(), errSymbol)
	}
	if len(s.Venue)+1+len(s.Name) > MaxSymbolLen {
		return fmt.Errorf("symbol %q: at most %d bytes are allowed", s.String(), MaxSymbolLen)
	}
	for _, part := range [2]string{s.Venue, s.Name} {
		for i := 0; i < len(part); i++ {
			if part[i] <= ' ' || part[i] == 0x7f {
				return fmt.Errorf("symbol %q: holds a space or control character", s.String())
			}
		}
	}
	return nil
}

// Instrument is what is known of an instrument apart from its market.
type Instrument struct {
	Symbol Symbol
	// Scales are the number of decimals, 0 to MaxScale. They never change while a node runs: ticks of
	// another scale are converted by ingest, or refused where that would lose digits.
	PriceScale, SizeScale uint8
	// Steps are in scaled units; 0 means unknown.
	PriceStep, SizeStep int64
	Description         string
	Base, Quote         string
	// Source is the feed that carries the instrument: the venue's name, or "venue/feed" where the
	// venue has several. Liveness is told by source.
	Source string
	Asset  AssetClass
	// A trading day starts SessionStart seconds after 00:00 in TimeZone (an IANA name; empty: UTC).
	SessionStart int32
	TimeZone     string
	Delisted     bool
}

// AssetClass is the kind of thing that an instrument is. The numbers are those of marketdata.v1.AssetClass.
type AssetClass uint8

// Asset classes.
const (
	AssetUnknown AssetClass = iota
	AssetSpot
	AssetPerpetual
	AssetFuture
	AssetOption
	AssetEquity
	AssetFX
	AssetIndex
	AssetBond
	assetEnd
)

var assetNames = [assetEnd]string{"", "spot", "perpetual", "future", "option", "equity", "fx", "index", "bond"}

// String returns the class as one lower-case word, "" for an unknown one.
func (a AssetClass) String() string {
	if a < assetEnd {
		return assetNames[a]
	}
	return ""
}

// MaxScale is the largest number of decimals: 10^12 still leaves six digits before the point in the
// 2^53 range that JavaScript clients can hold.
const MaxScale = 12
